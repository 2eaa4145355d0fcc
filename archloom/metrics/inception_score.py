"""The Inception Score of images, from a classifier's logits (Salimans et al. 2016, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from archloom.errors import InputError

SPLITS = 10
"""Images are divided into this many parts, as in all published numbers."""


def inception_score(logits: Tensor, splits: int = SPLITS) -> tuple[float, float]:
    """Mean and standard deviation over parts of the images of exp(E KL(p(y|x) || p(y))), where more is better.

    `logits` (n, classes) are divided in their order; p(y) is the mean of p(y|x) over the part. The score ranges from 1,
    if all images look alike or like nothing, to the number of classes. The deviation is the population's (divided by
    the number of parts), as in the authors' code. NaN if a logit is not finite; InputError for fewer images than parts.
    """
    count = len(logits)
    if count < splits:
        raise InputError(f"{count} images: expected at least {splits} for an Inception Score of {splits} parts")
    scores = []
    for part in range(splits):
        log_p = logits[part * count // splits : (part + 1) * count // splits].double().log_softmax(dim=1)
        p = log_p.exp()
        log_mean = p.mean(dim=0).log()
        # A class with probability 0 has the logarithm -inf and contributes nothing.
        divergence = torch.where(p > 0, p * (log_p - log_mean), p).sum(dim=1).mean()
        scores.append(divergence.exp())
    found = torch.stack(scores)
    return float(found.mean()), float(found.std(correction=0))
