"""Make the list of file names and digests by which a download of the real 68-point set is checked.

Reads a `sha256sum` list of the archive's `data/` folder and writes two small files: the names in sorted order, and
the first 8 bytes of each digest in that order. Run once: python tools/make_digests.py LIST.sha256
"""

import gzip
import sys
from pathlib import Path

from fkd_helpers.data.download import DIGEST_BYTES, DIGESTS, NAMES

if __name__ == "__main__":
    lines = [line.split("  ", 1) for line in Path(sys.argv[1]).read_text().splitlines()]
    digests = {path.removeprefix("data/"): bytes.fromhex(digest)[:DIGEST_BYTES] for digest, path in lines}
    NAMES.write_bytes(gzip.compress("\n".join(sorted(digests)).encode(), 9, mtime=0))
    DIGESTS.write_bytes(b"".join(digests[name] for name in sorted(digests)))
    print(f"{len(digests)} files: {NAMES.stat().st_size} + {DIGESTS.stat().st_size} bytes")
