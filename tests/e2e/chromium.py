"""Where the browser is: one that is installed. None is downloaded.

`CHROMIUM` in the environment names it; else the usual names and places are looked at. Each test
in a browser needs it, so where there is none they are all skipped, and the run says so at its end.
"""

import os
import shutil
from pathlib import Path

VARIABLE = "CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)
SKIPPED = "no Chromium is installed"
CURE = (
    "Install Chromium (Debian, Ubuntu: apt install chromium; macOS: brew install --cask chromium), "
    f"or say where it is: {VARIABLE}=/path/to/chromium make test"
)
OFF = (
    # Pages of Chromium's own behind its address bar, which nobody sees here: opened for each
    # visitor, they take twice as long to compute as what is tested.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    # What Playwright turns off: of two such arguments only the last counts.
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose"),
    *("HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter"),
    *("NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch"),
    "ThirdPartyStoragePartitioning",
)
ARGUMENTS = (
    # The container's own walls are the sandbox where tests run as root.
    *(("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()),
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",  # containers have little of it
    f"--disable-features={','.join(OFF)}",
)
LOOPBACK_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*"
"""An argument that keeps a page from everything but this machine."""


def find() -> str | None:
    """The path of an installed Chromium, or None."""
    named = os.environ.get(VARIABLE)
    if named:
        return named
    found = (path for name in NAMES if (path := shutil.which(name)))
    placed = (str(place) for place in PLACES if place.exists())
    return next(found, None) or next(placed, None)
