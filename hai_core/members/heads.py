"""Heads: features (N, D) -> logits (N, K).

`Linear` is the plain head. `AdaFace` is a cosine head whose margin grows with the quality of the image, read from the
norm of its features, `ArcFace` one with a fixed margin. All are called as `head(features, labels=None)`; only those with a
margin use the labels, and only in training. Labels (N,) give logits (N, K). Where images are mixed, each has several labels:
labels (M, N) give logits (M, N, K), the margin applied for each of the M sets.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Module):
    """`features @ weight.T + bias`. The labels are taken, for one calling convention, and not used."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, num_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, in_features) -> logits (N, num_classes), or (M, N, num_classes) for labels (M, N)."""
        logits: Tensor = self.linear(features)
        return logits if labels is None or labels.ndim == 1 else logits.expand(len(labels), *logits.shape)


class AdaFace(nn.Module):
    """Quality-adaptive margin on the cosine.

    Source: Kim, Jain, Liu, "AdaFace: Quality Adaptive Margin for Face Recognition", CVPR 2022.

    With ||x|| the norm of an image's features, clipped to [0.001, 100], and mu, sigma running averages of the batches' means
    and (unbiased) standard deviations of those norms, the image's quality is (equation 13)

        z = clip((||x|| - mu) / (sigma + eps) * h, -1, 1)

    and the margin logit of the given label j at angle theta_j (equations 14, 15)

        s * (cos(theta_j + g_angle) - g_add),     g_angle = -m z,     g_add = m z + m

    and s * cos(theta_k) for the others. A high norm (z = 1) gives an additive cosine margin with a negative angular one,
    z = -1 a purely angular one, as in ArcFace. mu and sigma move by `t_alpha` towards the batch's own statistics before they
    are used, in training mode only and without gradient; a batch of one has no standard deviation and leaves sigma as it is.
    Where a batch comes in several calls, `share` is the part of it that the next one holds: mu and sigma move that much less.

    Parameters: `weight` (num_classes, in_features), normalised by row where it is used. Buffers: `batch_mean` (starts at
    20), `batch_std` (starts at 100).
    """

    eps = 1e-3
    weight: nn.Parameter
    batch_mean: Tensor
    batch_std: Tensor

    def __init__(
        self, in_features: int, num_classes: int, m: float = 0.4, h: float = 0.333, s: float = 64.0, t_alpha: float = 0.01
    ) -> None:
        super().__init__()
        self.m, self.h, self.s, self.t_alpha = m, h, s, t_alpha
        self.share = 1.0
        self.weight = nn.Parameter(torch.empty(num_classes, in_features))
        nn.init.normal_(self.weight, std=0.01)
        self.register_buffer("batch_mean", torch.tensor(20.0))
        self.register_buffer("batch_std", torch.tensor(100.0))

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Features (N, in_features), not normalised -> (N, num_classes): the margin logits with labels (N,), else `s * cosine`;
        with labels (M, N), (M, N, num_classes).

        Norm statistics move only in training mode and only with labels, once a call.
        """
        norms = features.norm(dim=1, keepdim=True)
        cosine = functional.linear(features / norms.clamp_min(1e-12), functional.normalize(self.weight))
        if labels is None:
            return self.s * cosine
        cosine = cosine.clamp(-1 + self.eps, 1 - self.eps)
        z = self._quality(norms.detach().clamp(0.001, 100))
        given = functional.one_hot(labels, cosine.shape[1]).to(cosine.dtype)
        theta = cosine.acos()
        shifted = (theta - given * self.m * z).clamp(self.eps, torch.pi - self.eps).cos()
        return self.s * (shifted - given * (self.m * z + self.m))

    @torch.no_grad()
    def _quality(self, norms: Tensor) -> Tensor:
        """z of equation 13, (N, 1); folds the batch's statistics in first when training."""
        if self.training:
            self.batch_mean.lerp_(norms.mean(), self.t_alpha * self.share)
            if len(norms) > 1:
                self.batch_std.lerp_(norms.std(), self.t_alpha * self.share)
        return ((norms - self.batch_mean) / (self.batch_std + self.eps) * self.h).clamp(-1, 1)


class ArcFace(nn.Module):
    """Additive angular margin, with sub-centres.

    Sources: Deng, Guo, Xue, Zafeiriou, "ArcFace", CVPR 2019, equation 3: the logit of the given label is s * cos(theta + m).
    Deng et al., "Sub-center ArcFace", ECCV 2020: with several centres a class, its cosine is the largest of theirs.

    Parameters: `weight` (num_classes, subcentres, in_features), normalised along the last axis where it is used.
    """

    eps = 1e-3
    weight: nn.Parameter

    def __init__(self, in_features: int, num_classes: int, m: float = 0.3, s: float = 32.0, subcentres: int = 1) -> None:
        super().__init__()
        self.m, self.s = m, s
        self.weight = nn.Parameter(torch.empty(num_classes, subcentres, in_features))
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, in_features) -> `s * cosine` (N, num_classes); with labels (N,) or (M, N) the margin logits, as AdaFace's."""
        centres = functional.normalize(self.weight, dim=2)
        cosine = torch.einsum("nd,kcd->nkc", functional.normalize(features), centres).amax(2)
        if labels is None:
            return self.s * cosine
        theta = cosine.clamp(-1 + self.eps, 1 - self.eps).acos()
        given = functional.one_hot(labels, cosine.shape[1]).to(cosine.dtype)
        return self.s * (theta + given * self.m).clamp(max=torch.pi - self.eps).cos()


def head(name: str, in_features: int, num_classes: int, **options: float) -> nn.Module:
    """The head of a configuration: `name` of `Config.head`, `options` of its section."""
    made: nn.Module = {"adaface": AdaFace, "arcface": ArcFace}[name](in_features, num_classes, **options)
    return made
