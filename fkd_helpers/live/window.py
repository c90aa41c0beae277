"""The window of `live --show`."""

import os
import sys

import cv2

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.engine import LiveEngine

TITLE = "facial keypoints (q ends)"


def check_screen() -> None:
    """Raise InputError where no window can be opened."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--show: there is no screen here; leave it out, or give --record a name and look at that")


def show(engine: LiveEngine, results: list) -> None:
    """Show the latest of the results until q is pressed, the window is closed or the source ends."""
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        while engine.running:
            if results:
                cv2.imshow(TITLE, results.pop().drawn()[..., ::-1])
            if cv2.waitKey(5) & 0xFF == ord("q") or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                break
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise InputError(f"--show: no window can be opened here ({error.err}); leave it out") from None
    finally:
        engine.stop()
