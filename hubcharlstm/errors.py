"""Every public exception. `HubCharLSTMError` is the base class that catches all of them."""

from __future__ import annotations


class HubCharLSTMError(Exception):
    """The base class of the package's own exceptions. A wrong argument raises a plain `ValueError`."""


class BusyError(HubCharLSTMError, ValueError):
    """An engine or the app has no room for the request, or is closed: retry later."""


class EngineError(HubCharLSTMError, RuntimeError):
    """The engine failed during the request, through no fault of the request; `__cause__` is the failure."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__(
            f"The engine failed during this request ({type(failure).__name__}) and has restarted: "
            "send the request again."
        )
        self.__cause__ = failure


class DamagedModelError(HubCharLSTMError, ValueError):
    """The network's weights or logits are NaN or infinite."""

    def __init__(self) -> None:
        super().__init__(
            "The model has weights or logits that are not finite; expected finite numbers: load the model again."
        )


class NotAModelError(HubCharLSTMError, ValueError):
    """The folder or repository holds no hubcharlstm model, or a damaged one."""


class HubError(HubCharLSTMError, ValueError):
    """A download from the Hub or an upload to it failed."""
