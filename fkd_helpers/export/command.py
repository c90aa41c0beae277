"""The subcommand `export`."""

from pathlib import Path

from fkd_helpers.export import export_and_compare


def export(
    *, model: str = "small", formats: str | None = None, data: str = "puppets", opset: int | None = None,
    method: str = "percentile", rounds: int = 25, out: Path = Path("runs/export"), record: Path | None = None,
) -> None:  # fmt: skip
    """Write a network as ONNX, torch.export, fp16 and int8, and try each.

    Args:
        model: small, expressions, or a .safetensors or .onnx file
        formats: of onnx, torch, fp16, int8, with commas between (all that can be)
        data: set to calibrate with and to try on, such as ytf
        opset: version of ONNX's operators (the exporter's own)
        method: int8 ranges by percentile, minmax or entropy
        rounds: rounds that each median is taken over
        out: folder of the files
        record: folder of the record (printed only)
    """
    chosen = formats.split(",") if formats else None
    export_and_compare(
        model, out, formats=chosen, data=data, opset=opset, method=method, rounds=rounds, record=record
    )
