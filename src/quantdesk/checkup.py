"""What a machine must have before the desk can run on it."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantdesk.settings import Settings

PACKAGES = ("numpy", "polars", "scipy", "lightgbm", "numba", "mlflow-skinny", "skfolio")


@dataclass(frozen=True)
class Finding:
    """Say what was looked at, what was found, and whether that is well."""

    what: str
    found: str
    is_well: bool


def examine(settings: "Settings") -> list[Finding]:
    """Look at interpreter, packages, memory, disk and the desk's folder."""
    looks: tuple[Callable[[Settings], Finding], ...] = (
        _python,
        _packages,
        _boosting,
        _networks,
        _cluster,
        _cores,
        _memory,
        _home,
        _disk,
        _sample,
    )
    return [look(settings) for look in looks]


def _python(_: "Settings") -> Finding:
    return Finding(
        "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", sys.version_info >= (3, 11)
    )


def _packages(_: "Settings") -> Finding:
    missing = [name for name in PACKAGES if not _version(name)]
    return Finding("packages", f"missing: {', '.join(missing)}" if missing else "all there", not missing)


def _boosting(_: "Settings") -> Finding:
    found = [f"{name} {_version(name)}" for name in ("lightgbm", "xgboost", "xgboost-cpu") if _version(name)]
    return Finding("boosted trees", ", ".join(found) or "none", len(found) >= 2)


def _networks(_: "Settings") -> Finding:
    return _extra("networks", "torch", "deep")


def _cluster(_: "Settings") -> Finding:
    return _extra("clusters", "ray", "cluster")


def _extra(what: str, package: str, extra: str) -> Finding:
    # Told from its metadata: to import it takes seconds. The desk is well without it.
    found = _version(package)
    return Finding(what, f"{package} {found}" if found else f"no {package}: pip install 'quantdesk[{extra}]'", True)


def _cores(_: "Settings") -> Finding:
    return Finding("cores", str(os.cpu_count()), True)


def _memory(_: "Settings") -> Finding:
    import psutil

    available = psutil.virtual_memory().available / 2**30
    return Finding("memory free", f"{available:.1f} GiB (2 are enough for the sample)", available >= 2)


def _home(settings: "Settings") -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.home):
            pass
    except OSError as error:
        return Finding("home", f"{settings.home}: {error.strerror}; set DESK_HOME to a folder you can write", False)
    return Finding("home", str(settings.home), True)


def _disk(settings: "Settings") -> Finding:
    place = settings.home if settings.home.exists() else settings.home.parent
    free = shutil.disk_usage(place if place.exists() else "/").free / 2**30
    return Finding("disk free", f"{free:.1f} GiB", free >= 0.5)


def _sample(_: "Settings") -> Finding:
    spec = find_spec("skfolio")
    return Finding("sample data", "carried by skfolio" if spec else "skfolio is missing", spec is not None)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
