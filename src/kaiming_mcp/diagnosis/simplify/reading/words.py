"""Words that decide whether a name in a method's text is a part, a size, or neither."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.simplify.lists import Kind
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of

ADMINISTRATIVE = re.compile(
    r"seed|worker|^gpus?$|num_gpus|device|(?:^|_)log|save|path$|dir$|file|^name$|project|wandb|resume|checkpoint|ckpt|version|port$|print|"
    r"freq|interval|eval|dtype|pin_memory|world_size|rank|num_classes|^data(?:set|_?root)?$|^loss$|^type$|output|verbose|debug|tag|run_id|"
    r"precision|amp|fp16|bf16|compile|num_nodes|hours|budget|runs?$|metric|^test|^val"
)
SIZES = re.compile(
    r"dim|width|depth|layers|heads|channels|hidden|vocab|img_size|image_size|resolution|crop_size|patch|in_ch|out_ch|embed|n_embd|n_head|"
    r"block_size|seq_len|max_len|context|num_tokens|kernel|stride|size$|^epochs?$|steps$|iters?$|iterations"
)
NO_PART = re.compile(
    r"\b(?:task|goal|dataset|datasets|data ?set|results?|evaluation|metrics?|budget|hardware|baseline|notes?|todo|question|problem|"
    r"hypothesis|claim|compute|timing|seeds?|input|inputs|output|outputs|model|method|name|paper|title|abstract|deadline|status|"
    r"validation|test set|train set|training set|splits?|imagenet|coco|cifar|gpus?|a100s?|v100s?|h100s?|pytorch|epochs?|params|"
    r"parameters|full|ours|score|accuracy|temperature|margin|weights?|views|two views|resolution|batch size|learning rate|momentum|iterations|steps|coeff?|coefficient|rank|trials|parameters?|alpha|beta|gamma|lambda|factor|threshold|k)\b"
)
"""Names of list entries that are no parts when they stand alone."""
NEGATED = re.compile(
    r"(?:\bno|\bwithout|\bw/o|\bnot|\bnever|\bnor|\binstead of|\brather than|\bremoved?|\bremoving|\bdropped|\bdropping|\bunlike|"
    r"\bexcept|\bneither|n't)\s+(?:use\s+|using\s+|need\s+|have\s+|any\s+|the\s+|a\s+|an\s+|rely on\s+|explicit\s+|further\s+)*$"
)
"""What stands before a name that is said to be absent."""
HEADS = re.compile(
    r"(?<![\w/'-])((?:[A-Za-z][\w/'-]{0,40}\s{1,3}){1,4}?)"
    r"(losses|loss|modules?|branch(?:es)?|regulari[sz]ers?|penalt(?:y|ies)|constraints?|objectives?|augmentations?|"
    r"schedules?|fusion|gates?|routers?|heads?|blocks?|stages?|terms?|filters?|priors?|samplers?|unit|aggregator|refiner|"
    r"trick|heuristics?|bank|memory|embedding|predictor|corrector|normalizer)\b"
)
HEAD_KINDS: dict[str, Kind] = {
    "loss": "loss", "losse": "loss", "regularizer": "loss", "regulariser": "loss", "penalty": "loss", "penaltie": "loss", "constraint": "loss",
    "objective": "loss", "term": "loss", "augmentation": "data", "filter": "data", "sampler": "data", "schedule": "training", "stage": "stage",
    "trick": "training", "heuristic": "inference",
}  # fmt: skip
PLAIN_MODIFIERS = frozenset(
    "the a an our my their its this that these those each every all any some one two three four five several many multiple "
    "with and or of for in on to at by from as is are was were be we i it they use uses used using add adds added adding apply "
    "applies has have which where when then than final first second third last main total overall same different new novel "
    "proposed additional extra another standard simple basic classification output mlp linear residual transformer conv "
    "convolutional dense attention encoder decoder feed feedforward train trains trained training minimize minimise per into "
    "through via over both other following combined weighted full self after before between so because loss losses module "
    "modules branch term terms head heads block blocks stage stages model network also only not no without plus including "
    "include includes contains consists employ employs introduce introduces propose proposes combine combines followed "
    "instead whole current previous single separate small large three-stage two-stage four-stage task resnet unet vit get gets "
    "sum mean average optimise optimize minimises minimizes called named dubbed removing dropping drop remove replace "
    "projection prediction auxiliary but if can must will may more most less least how what why".split()
)
_HOURS = re.compile(
    rf"({NUMBER})\s?(?:(gpu|tpu|a100|h100|v100|cpu)[-\s]?)?(hours?|hrs?|h|days?|(?-i:d)(?=\s*(?:\(|on\b|with\b|using\b|per\b|each\b|x\b|×|\*|[,.;/]|$))|weeks?|minutes?|min)\b(?:\s*(?:\(|on|x|×|\*|with|using)\s*(?:an?\s+|the\s+)?({NUMBER})?\s*(?:x\s*)?(?:nvidia\s+)?(?:gpus?|a100s?|h100s?|v100s?|tpus?|cards?|4090s?|3090s?|a6000s?|t4s?))?",
    re.IGNORECASE,
)
_SCALE = {"h": 1.0, "d": 24.0, "w": 168.0, "m": 1 / 60}


def hours_in(text: str) -> float | None:
    """GPU-hours in "120 GPU-hours", "3 days on 8 A100s", "12 h"; the first that is given."""
    found = _HOURS.search(text)
    if found is None:
        return None
    hours = number_of(found[1]) * _SCALE[found[3][0].lower()]
    devices = number_of(found[4]) if found[4] else 1.0
    value = hours * (1.0 if found[2] else devices)
    return value if 0 < value < 1e9 else None
