"""German, French and Spanish words of training logs, in English, so that every reader knows them."""

from __future__ import annotations

import re

_ENGLISH: dict[str, str] = {
    # German
    "epoche": "epoch", "epochen": "epochs", "schritt": "step", "schritte": "steps", "schicht": "layer", "lage": "layer",
    "schichten": "layers", "verlust": "loss", "trainingsverlust": "train loss", "validierungsverlust": "val loss",
    "testverlust": "test loss", "trainingsfehler": "train loss", "validierungsfehler": "val loss",
    "testfehler": "test loss",
    "genauigkeit": "accuracy", "trainingsgenauigkeit": "train accuracy", "validierungsgenauigkeit": "val accuracy",
    "gradientennorm": "gradient norm", "gradientennormen": "gradient norms", "gradienten": "gradients",
    "gewicht": "weight", "gewichte": "weights", "aktivierung": "activation", "aktivierungen": "activations",
    "lernrate": "learning rate", "mittelwert": "mean", "standardabweichung": "std", "varianz": "variance",
    # French
    "époque": "epoch", "époques": "epochs", "étape": "step", "étapes": "steps", "itération": "iteration",
    "couche": "layer", "couches": "layers", "perte": "loss", "pertes": "losses", "précision": "accuracy",
    "exactitude": "accuracy", "norme": "norm", "normes": "norms", "moyenne": "mean", "écart-type": "std",
    "poids": "weight", "cosinus": "cosine", "entraînement": "train",
    "taux d'apprentissage": "learning rate",
    # Spanish
    "época": "epoch", "épocas": "epochs", "paso": "step", "pasos": "steps", "capa": "layer", "capas": "layers",
    "pérdida": "loss", "exactitud": "accuracy", "gradiente": "gradient", "gradientes": "gradients",
    "activación": "activation", "entrenamiento": "train", "validación": "val", "tasa de aprendizaje": "learning rate",
}  # fmt: skip
_WORD = re.compile(
    rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(_ENGLISH, key=len, reverse=True)))})(?![\w.(])", re.IGNORECASE
)
_TURNED = re.compile(
    r"\b(norms?|mean|loss(?:es)?|accuracy|std) (?:du|de la|de|des|del|de los|de las|der|(?:de l|d)')"
    r"[ ']?(gradients?|activations?|weights?|train|val)\b"
)
"""`norme du gradient`: the noun that comes first in these languages is the last of the English pair."""


def in_english(text: str) -> str:
    """The same lines with these words in English; a text without any of them as it is."""
    translated = _WORD.sub(lambda found: _ENGLISH[found[0].lower()], text)
    if translated == text:
        return text
    return _TURNED.sub(r"\2 \1", translated)
