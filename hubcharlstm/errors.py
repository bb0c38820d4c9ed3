"""Every public exception. `HubCharLSTMError` is the base class that catches all of them."""

from __future__ import annotations


class HubCharLSTMError(Exception):
    """The base class of every exception that this package raises beyond plain `ValueError` for an argument."""


class BusyError(HubCharLSTMError, ValueError):
    """The engine has as many requests as it takes."""


class EngineError(HubCharLSTMError, RuntimeError):
    """The engine failed while it wrote, at no fault of the request; what failed is its cause."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__(
            f"The engine failed while this was written ({type(failure).__name__}) and was started again; expected it "
            "to go on: send the request again."
        )
        self.__cause__ = failure


class DamagedModelError(HubCharLSTMError, ValueError):
    """The network's weights or logits are not finite numbers."""

    def __init__(self) -> None:
        super().__init__(
            "The model's numbers are not finite; expected finite ones: its weights are damaged, load it afresh."
        )


class NotAModelError(HubCharLSTMError, ValueError):
    """The folder or repository is no hubcharlstm model, or a damaged one."""


class HubError(HubCharLSTMError, ValueError):
    """The Hub could not be read from or written to."""
