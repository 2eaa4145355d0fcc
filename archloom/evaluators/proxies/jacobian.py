"""The covariance of Jacobians: how differently an untrained network reacts to different images."""

from __future__ import annotations

import torch

from archloom.evaluators.proxies.candidate import Candidate

_SHIFT = 1e-5
"""k in version 1 of Mellor et al."""


class JacobCov:
    """Version 1 of Mellor et al. (arXiv:2006.04647v1), and `jacob_cov` of Abdelfattah et al. 2021.

    -sum(log(e + k) + 1 / (e + k)) over the eigenvalues e of the correlation matrix of the images' Jacobians, k = 1e-5.
    ArithmeticError if a Jacobian is constant, as where a network lets nothing through: it has no correlations.
    """

    title = "correlation of the images' Jacobians (Mellor et al., version 1)"
    needs_images = True

    def score(self, candidate: Candidate) -> float:
        centred = candidate.jacobian.double()
        centred = centred - centred.mean(dim=1, keepdim=True)
        norms = centred.norm(dim=1, keepdim=True)
        if not bool((norms > 0).all()):
            raise ArithmeticError("jacob_cov: what the network gives does not depend on each of the images")
        rows = centred / norms
        shifted = torch.linalg.eigvalsh(rows @ rows.T).clamp(min=0) + _SHIFT  # below 0 by rounding only
        return -float((shifted.log() + 1 / shifted).sum())
