"""Initial weights from a pretrained model: rows matched by character, new characters added."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from hubcharlstm import CharLSTM, Vocabulary
from training.ancestry import ancestors_of, teachers_of
from training.recipe import Recipe

SHIPPED_NAME = "pretrained"
"""Names the model that ships in the package."""
LEARNING_RATE = 2e-3
"""A preset's 0.01 forgets what was learned before: Ecclesiastes 1.2384 nats with it and 1.1674 with this one."""
SIZES = ("embedding_dim", "hidden_size", "num_layers")


@dataclass(frozen=True)
class PretrainedInit:
    """The model that a run's initial weights come from; `model` is None in a resumed run, whose checkpoint has them.

    chars: the characters of its vocabulary, in order. ancestors: it and what it began with, teachers: what it learned
    from (see `ancestry`).
    """

    name: str
    chars: str
    model: CharLSTM | None = None
    ancestors: tuple[dict[str, Any], ...] = ()
    teachers: tuple[dict[str, Any], ...] = ()

    @classmethod
    def load(cls, name: str) -> PretrainedInit:
        """Load by Hub id or folder, or "pretrained" for the model that ships in the package.

        Raises `ValueError` if there is no such model.
        """
        typed = None if name == SHIPPED_NAME else name
        model = CharLSTM.from_pretrained(typed, device="cpu")
        chars = "".join(model.vocabulary.chars)
        return cls(name, chars, model, tuple(ancestors_of(model, typed)), tuple(teachers_of(model)))

    def fit_recipe(self, recipe: Recipe, given: set[str]) -> Recipe:
        """`recipe` with the pretrained sizes and case, a lower learning rate and no Muon, unless `given` names them.

        Raises `ValueError` if a size named in `given` differs.
        """
        assert self.model is not None
        sizes = {name: getattr(self.model.config, name) for name in SIZES}
        for name in SIZES:
            if name in given and getattr(recipe, name) != sizes[name]:
                raise ValueError(
                    f"{name} is {getattr(recipe, name)}, but {self.name} has {sizes[name]}; expected the same, since "
                    f"the run starts from its weights: leave --{name.replace('_', '-')} out."
                )
        rate = recipe.learning_rate if "learning_rate" in given else min(LEARNING_RATE, recipe.learning_rate)
        muon_rate = recipe.muon_rate if "muon_rate" in given else 0.0
        lowercase = recipe.lowercase or self.model.vocabulary.lowercase
        return replace(recipe, **sizes, lowercase=lowercase, learning_rate=rate, muon_rate=muon_rate)

    def vocabulary(self, chars: tuple[str, ...], *, lowercase: bool) -> Vocabulary:
        """The pretrained characters in their order, then the new ones of the text."""
        new = [char for char in chars if char not in set(self.chars)]
        return Vocabulary([*self.chars, *new], lowercase=lowercase)

    @torch.no_grad()
    def copy_into(self, model: CharLSTM) -> int:
        """Copy the pretrained weights into `model`; returns how many of its characters are new.

        A new character starts with the mean embedding and a low logit, so that the others score almost as before.
        """
        assert self.model is not None
        source, target = self.model.vocabulary, model.vocabulary
        known = [char for char in target.chars if char in source]
        target_ids = torch.tensor([target.chars.index(char) for char in known])
        source_ids = torch.tensor([source.chars.index(char) for char in known])
        tensors = self.model.state_dict()
        state = model.state_dict()
        for name, value in tensors.items():
            if name.startswith("lstm."):
                state[name].copy_(value)
        state["embedding.weight"][:] = tensors["embedding.weight"].mean(dim=0)
        state["head.weight"][:] = 0.0
        state["head.bias"][:] = tensors["head.bias"].min()
        for name in ("embedding.weight", "head.weight", "head.bias"):
            state[name][target_ids] = tensors[name][source_ids].to(state[name].dtype)
        return len(target) - len(known)
