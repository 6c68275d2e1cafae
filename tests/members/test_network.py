"""What a fine-tuned member consists of."""

from __future__ import annotations

import pytest
import torch

from hai_core import backbones
from hai_core.members import config
from hai_core.members.heads import Linear
from hai_core.members.network import FinetunedMember, GeM, stored_side
from hai_core.workspace import InputError

LITE = "tf_efficientnet_lite0"


def member(*overrides, backbone=LITE, n_classes=4):
    options = config.load("quick", ["mode=finetune", *overrides])
    return FinetunedMember(options, backbones.load(backbone), n_classes)


def untrained(name):
    """A backbone without its pretrained weights, which are not on this machine."""
    import timm

    model = timm.create_model(name, pretrained=False, num_classes=0)
    return backbones.Backbone(name, model, timm.data.resolve_data_config({}, model=model), "none", "0" * 16,
                              model.num_features)


def test_gem_equals_the_slow_reference():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    pool = GeM((2, 3), keep=False).double()
    slow = torch.tensor([[(sum(v**3 for v in channel.flatten().tolist()) / 20) ** (1 / 3) for channel in image] for image in x])
    torch.testing.assert_close(pool(x), slow, check_dtype=False, rtol=1e-5, atol=1e-6)
    assert GeM((2, 3), keep=True)(x).shape == (2, 3, 1, 1)


@pytest.mark.parametrize("overrides", [
    [], ["finetune.pool=gem"], ["finetune.neck=32"], ["head=adaface"], ["head=arcface", "arcface.subcentres=2"],
    ["finetune.gradient_checkpointing=true"], ["finetune.image_size=64"]])
def test_every_part_learns_and_nothing_of_the_shared_backbone_changes(overrides):
    before = backbones.fingerprint(backbones.load(LITE).model)
    made = member("finetune.image_size=64", *overrides)
    made.learning(frozen=False, freeze_batch_norm=False)
    images = made.normalized(torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8))
    labels = torch.tensor([0, 1, 3])
    if isinstance(made.head, Linear):  # starts at zero, through which nothing flows
        torch.nn.init.normal_(made.head.linear.weight)
    logits = made(images, labels)
    assert logits.shape == (3, 4)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert all(p.grad is not None for p in made.parameters())
    assert made.backbone.conv_stem.weight.grad.abs().sum() > 0
    assert backbones.fingerprint(backbones.load(LITE).model) == before


@pytest.mark.parametrize("name", ["adaface", "arcface"])
def test_a_margin_has_finite_gradients_in_half_precision_where_the_cosine_is_one(name):
    made = member(f"head={name}", "finetune.image_size=64")
    weight = torch.nn.functional.normalize(made.head.weight.detach().reshape(4, -1))
    made.features = lambda images, frozen=False: images
    seen = (30 * weight[:3]).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        logits = made(seen, torch.tensor([0, 1, 2]))
    assert logits.dtype == torch.float32
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    assert torch.isfinite(seen.grad).all()
    assert torch.isfinite(made.head.weight.grad).all()


def test_a_frozen_backbone_gets_no_gradient_and_keeps_its_statistics():
    made = member("head=adaface", "finetune.image_size=64")
    statistics = {name: b.clone() for name, b in made.backbone.named_buffers()}
    made.learning(frozen=True, freeze_batch_norm=False)
    made(torch.randn(3, 3, 64, 64), torch.tensor([0, 1, 2]), frozen=True).sum().backward()
    assert all(p.grad is None for p in made.backbone.parameters())
    assert all(p.grad is not None for p in made.head.parameters())
    assert all(torch.equal(b, statistics[name]) for name, b in made.backbone.named_buffers())
    made.learning(frozen=False, freeze_batch_norm=True)
    made(torch.randn(3, 3, 64, 64), torch.tensor([0, 1, 2])).sum().backward()
    assert all(torch.equal(b, statistics[name]) for name, b in made.backbone.named_buffers())
    assert any(p.grad is not None for p in made.backbone.parameters())


@pytest.mark.parametrize(("name", "size"), [("resnet10t", 64), ("convnext_atto", 64), ("swin_tiny_patch4_window7_224", 224)])
def test_gem_takes_the_place_of_other_backbones_pooling(name, size):
    options = config.load("quick", ["mode=finetune", f"recipes=[[{name}]]", "finetune.pool=gem"])
    made = FinetunedMember(options, untrained(name), 4).eval()
    assert any(isinstance(m, GeM) for m in made.backbone.modules())
    assert made(torch.randn(2, 3, size, size)).shape == (2, 4)


def test_what_a_backbone_cannot_do_is_told():
    options = config.load("quick", ["mode=finetune", "recipes=[[vit_tiny_patch16_224]]", "finetune.pool=gem"])
    with pytest.raises(InputError, match="vit_tiny_patch16_224 does not pool feature maps"):
        FinetunedMember(options, untrained("vit_tiny_patch16_224"), 4)
    options = config.load("quick", ["mode=finetune", "recipes=[[vit_tiny_patch16_224]]", "finetune.image_size=96"])
    assert FinetunedMember(options, untrained("vit_tiny_patch16_224"), 4)(torch.randn(1, 3, 96, 96)).shape == (1, 4)


def test_the_stored_side_is_what_timm_resizes_to():
    assert stored_side({"input_size": (3, 224, 224), "crop_pct": 0.875}) == 256
    assert stored_side(member("finetune.image_size=64").data_config) == 73
