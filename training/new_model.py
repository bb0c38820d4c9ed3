"""The model that a run begins with: its vocabulary, its sizes, and its first weights."""

from __future__ import annotations

from dataclasses import replace

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from training.data.corpus import Corpus
from training.recipe import GREEDY, Recipe
from training.warm_start import PretrainedInit

MAX_PARAMETERS = 2**31


def vocabulary_of(corpus: Corpus, recipe: Recipe, pretrained_init: PretrainedInit | None = None) -> Vocabulary:
    """The characters of the corpus, after those of the pretrained model if there is one."""
    if pretrained_init is not None:
        return pretrained_init.vocabulary(corpus.chars, lowercase=recipe.lowercase)
    return Vocabulary(corpus.chars, lowercase=recipe.lowercase)


def config_of(recipe: Recipe, vocabulary: Vocabulary) -> CharLSTMConfig:
    """The network's sizes; raises `ValueError` if it has too many weights."""
    sizes = {name: getattr(recipe, name) for name in ("embedding_dim", "hidden_size", "num_layers", "dropout")}
    config = CharLSTMConfig(vocab_size=len(vocabulary), **sizes)
    if config.num_parameters > MAX_PARAMETERS:
        raise ValueError(
            f"The model would have {config.num_parameters:,} weights; expected at most {MAX_PARAMETERS:,}: choose "
            "smaller sizes (--hidden-size, --embedding-dim, --num-layers)."
        )
    return config


def new_model(recipe: Recipe, vocabulary: Vocabulary, generation: GenerationConfig) -> CharLSTM:
    """A model with random weights, from PyTorch's random stream; raises `ValueError` if it has too many."""
    config = config_of(recipe, vocabulary)
    if recipe.preset in GREEDY:
        generation = replace(generation, temperature=0.0)
    model = CharLSTM(config, vocabulary, generation_config=generation)
    model.reset_for_training()
    return model
