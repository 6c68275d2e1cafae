"""Whitening: make all directions in which images of one class differ equally long, before a head compares images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROUNDING = 1e-10  # of the mean squared length: less variance is none


class Whiten(nn.Module):
    """x' = (x - mean) A with A A^T = S^-1, S the shrunk covariance of images around their class means.

    With this, straight distance is the Mahalanobis distance within a class, as in linear discriminant analysis (Fisher 1936;
    shrinkage towards a multiple of the identity: Friedman, "Regularized Discriminant Analysis", JASA 1989):

        S = (1 - a) C + a (tr C / D) I,    C = sum_i (x_i - mu_y)(x_i - mu_y)^T / (N - K)

    A is the inverse Cholesky factor, kept in half precision (the head is trained behind the rounded one). Use it on frozen
    features, whose strongest directions show viewpoint and background, not the class. `a` must be above 0 when N < D.
    Shapes: x (N, D) -> x' (N, D); entries of x' have variance about 1 within a class.
    """

    mean: Tensor
    gain: Tensor
    matrix: Tensor  # A / gain: entries around 1, which half precision holds well

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("matrix", torch.eye(features, dtype=torch.float16))

    @torch.no_grad()
    def learn(self, x: Tensor, labels: Tensor, shrinkage: float) -> Whiten:
        """Estimate mean and A from features (N, D) and labels (N,); A is the identity where nothing varies within classes."""
        shrunk, level = within_classes(x, labels, shrinkage)
        self.mean.copy_(x.mean(dim=0))
        if level > 0:
            identity = torch.eye(x.shape[1], dtype=torch.float64)
            factor = torch.linalg.cholesky(shrunk.double())
            self.gain.copy_(level**-0.5)
            self.matrix.copy_(torch.linalg.solve_triangular(factor, identity, upper=False).T)
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * ((x - self.mean) @ self.matrix.float())


def within_classes(x: Tensor, labels: Tensor, shrinkage: float, dimensions: int | None = None) -> tuple[Tensor, Tensor]:
    """S / level (D, D) and level = tr C / D of features (N, D), as above; S is the identity where nothing varies (level 0).

    `dimensions` replaces D where `x` are coordinates in a subspace that holds all images of a space of that many dimensions.
    """
    _, codes, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    within = x - (torch.zeros(len(counts), x.shape[1]).index_add_(0, codes, x) / counts[:, None])[codes]
    covariance = (within.T @ within) / max(len(x) - len(counts), 1)
    varies = covariance.diagonal().sum(dtype=torch.float64)
    if varies <= ROUNDING * torch.linalg.vector_norm(x).double() ** 2 / len(x):  # images within a class are all the same
        varies.zero_()
    level = varies / (dimensions or x.shape[1])
    identity = torch.eye(x.shape[1])
    return ((1 - shrinkage) * covariance / level.float() + shrinkage * identity if level > 0 else identity), level
