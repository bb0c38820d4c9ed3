"""`/healthz`: whether the app can generate now, and its load."""

from __future__ import annotations

from typing import Any

from hubcharlstm import __version__
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.serving.admission import AdmissionController
from hubcharlstm.demo.serving.replicas import INSTANCE


def health(registry: ModelRegistry, admission: AdmissionController) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the JSON body: 200 and "ok", or 503 and "stuck" or "shutting_down"."""
    engines = {served_model.label: engine_health(served_model) for served_model in registry.loaded}
    is_stuck = any(engine["state"] == "stuck" for engine in engines.values())
    status = "shutting_down" if admission.is_shutting_down else "stuck" if is_stuck else "ok"
    limits = admission.limits
    body = {
        "status": status,
        "model": registry.default,
        "engines": engines,
        "running": len(admission.running),
        "queued": len(admission.waiting),
        "limits": {"max_concurrent": limits.max_concurrent, "max_queued": limits.max_queued},
        "notice": None if registry.notice is None else str(registry.notice),
        "version": __version__,
        "instance": INSTANCE,
    }
    return (200 if status == "ok" else 503), body


def engine_health(served_model: ServedModel) -> dict[str, Any]:
    """state: "ready" without requests, "writing" with some, "stuck" if it has some but makes no step; and its load."""
    engine = served_model.engine
    engine.ensure_alive()
    load = engine.load
    state = "stuck" if engine.is_stuck else "writing" if any(load.values()) else "ready"
    return {"state": state, **load}
