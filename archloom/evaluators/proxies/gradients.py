"""Proxies that take one gradient of the loss."""

from __future__ import annotations

from archloom.evaluators.proxies.candidate import Candidate


class GradNorm:
    """Abdelfattah et al. 2021, section 3.2: the sum over layers of the Euclidean norm of the gradient of the batch's
    cross-entropy with respect to the layer's weights."""

    title = "sum of the layers' gradient norms (Abdelfattah et al. 2021)"
    needs_images = True

    def score(self, candidate: Candidate) -> float:
        return float(sum(float(gradient.double().norm()) for gradient in candidate.gradients))


class Snip:
    """Lee et al. 2019, equation 5, without its normalisation, summed as in Abdelfattah et al. 2021: sum |w dL/dw| over
    all weights, L the batch's cross-entropy: how much it changes, to first order, if each weight is removed."""

    title = "connection sensitivity (Lee et al. 2019)"
    needs_images = True

    def score(self, candidate: Candidate) -> float:
        pairs = zip(candidate.weights, candidate.gradients, strict=True)
        return float(sum(float((w.detach().double() * g.double()).abs().sum()) for w, g in pairs))
