"""What `/healthz` tells: whether the app can write now, and how much it has to do."""

from __future__ import annotations

from typing import Any

from hubcharlstm import __version__
from hubcharlstm.demo.models import ModelRegistry, ServedModel
from hubcharlstm.demo.serving.admission import AdmissionController


def health(registry: ModelRegistry, admission: AdmissionController) -> tuple[int, dict[str, Any]]:
    """The HTTP status, 200 while requests are served and 503 otherwise, and the figures behind it."""
    engines = {loaded.label: engine(loaded) for loaded in registry.loaded}
    stuck = any(one["state"] == "stuck" for one in engines.values())
    state = "ending" if admission.is_ending else "stuck" if stuck else "ok"
    told = {
        "status": state,
        "model": registry.default,
        "engines": engines,
        "readers": len(admission.running),
        "queue": len(admission.waiting),
        "room": {"readers": admission.limits.max_concurrent, "queue": admission.limits.max_queued},
        "notice": registry.notice,
        "version": __version__,
    }
    return (200 if state == "ok" else 503), told


def engine(loaded: ServedModel) -> dict[str, Any]:
    """state: "ready" before its first request and between two, "writing", or "stuck" if it makes no step."""
    one = loaded.engine
    one.ensure_alive()
    load = one.load
    state = "stuck" if one.is_stuck else "writing" if any(load.values()) else "ready"
    return {"state": state, **load}
