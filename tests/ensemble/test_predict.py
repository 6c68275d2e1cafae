import unicodedata

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from hai_core.ensemble.combine import Combination
from hai_core.ensemble.predict import Voter, expand, like, logits, table, vote
from hai_core.probabilities import softmax
from hai_core.workspace import InputError

FINAL = ["avante", "sonata"]
MAPPING = {"Sonata": "sonata", "avante": "avante", "sonata": "sonata", "sonata 2": "sonata", "van": ""}
ANSWERS = np.array([[0.2, 0.8], [1.0, 0.0]])


@pytest.mark.parametrize(("how", "expected"), [
    ("prior", [0.8 * 3 / 12, 0.2, 0.8 * 9 / 12, 0.0, 0.0]),
    ("share", [0.8 / 3, 0.2, 0.8 / 3, 0.8 / 3, 0.0]),
    ("first", [0.8, 0.2, 0.0, 0.0, 0.0]),
])
def test_a_merged_classs_probability_goes_to_its_originals(how, expected):
    names, answers = expand(ANSWERS, FINAL, MAPPING, {"Sonata": 3, "sonata": 9, "avante": 1}, how)
    assert names == ["Sonata", "avante", "sonata", "sonata 2", "van"]
    assert answers[0] == pytest.approx(expected)
    assert answers.sum(1) == pytest.approx([1, 1])


def test_originals_without_training_images_share_evenly():
    _, answers = expand(ANSWERS, FINAL, MAPPING, {"avante": 4}, "prior")
    assert answers[0] == pytest.approx([0.8 / 3, 0.2, 0.8 / 3, 0.8 / 3, 0])


def test_members_vote_with_their_weights_and_views_are_averaged_before_the_temperature():
    torch.manual_seed(0)
    models = [nn.Linear(3, 2) for _ in range(3)]
    voters = [Voter(0, models[0], 2.0, 0.5), Voter(1, models[1], 0.5, 0.2), Voter(0, models[2], 2.0, 0.3)]
    rng = np.random.default_rng(0)
    features = {r: [rng.normal(size=(4, 3)).astype(np.float32) for _ in range(2)] for r in range(2)}
    answers = vote(voters, Combination((2.0, 0.5), (0.8, 0.2), 0.7, "linear"), features.__getitem__)
    mixture = np.zeros((4, 2))
    for voter in voters:
        z = sum(voter.model(torch.from_numpy(view)).detach().numpy() for view in features[voter.recipe]) / 2
        assert np.allclose(logits(voter.model, features[voter.recipe]), z, atol=1e-6)
        mixture += voter.weight * softmax(z, voter.temperature)
    sharp = mixture ** (1 / 0.7)
    assert np.allclose(answers, sharp / sharp.sum(1, keepdims=True), atol=1e-6)


def test_a_logarithmic_pool_multiplies_the_recipes_means_over_their_members():
    torch.manual_seed(0)
    models = [nn.Linear(3, 2) for _ in range(3)]
    voters = [Voter(0, models[0], 2.0, 0.5), Voter(1, models[1], 0.5, 0.2), Voter(0, models[2], 2.0, 0.3)]
    view = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    answers = vote(voters, Combination((2.0, 0.5), (0.8, 0.2), 0.7), lambda recipe: [view])
    first, second, third = (softmax(logits(m, [view]), t) for m, t in zip(models, (2.0, 0.5, 2.0), strict=True))
    product = ((0.5 * first + 0.3 * third) / 0.8) ** (0.8 / 0.7) * second ** (0.2 / 0.7)
    assert np.allclose(answers, product / product.sum(1, keepdims=True), atol=1e-6)


def predictions(files=("a/1.jpg", "a/2.jpg", "b/3.png"), classes=("가", "나,\"", "=c")):
    answers = np.random.default_rng(0).dirichlet(np.ones(len(classes)), len(files))
    return table(list(files), list(classes), answers)


def sample_of(rows, columns=("ID", "가", "나,\"", "=c")):
    return pd.DataFrame([[row] + [0] * (len(columns) - 1) for row in rows], columns=list(columns))


def test_a_class_called_file_is_refused():
    with pytest.raises(InputError, match="a class is called 'file'"):
        predictions(classes=("a", "file"))


def test_like_takes_columns_and_rows_from_the_sample_spelled_as_there():
    given = predictions()
    nfd = unicodedata.normalize("NFD", "가")
    sample = sample_of(["b/3.png", "a/1.jpg", "a/2.jpg"], ("ID", "=c", nfd, "나,\""))
    out = like(given, sample)
    assert out.columns.tolist() == ["ID", "=c", nfd, "나,\""]
    assert out["ID"].tolist() == ["b/3.png", "a/1.jpg", "a/2.jpg"]
    assert out["=c"].tolist() == given["=c"].iloc[[2, 0, 1]].tolist()
    assert out[nfd].tolist() == given["가"].iloc[[2, 0, 1]].tolist()


def test_like_knows_names_without_folder_and_suffix():
    out = like(predictions(), sample_of(["3", "2", "1"]))
    assert out["ID"].tolist() == ["3", "2", "1"]
    assert out["가"].tolist() == predictions()["가"].tolist()[::-1]


@pytest.mark.parametrize(("sample", "problem"), [
    (sample_of(["1", "2", "3"], ("ID", "가", "나,\"")), "s.csv lacks classes of the predictions: '=c'"),
    (sample_of(["1", "2", "3"], ("ID", "가", "나,\"", "=c", "d")), "s.csv has classes that the predictions lack: 'd'"),
    (sample_of(["1", "2"]), "s.csv lacks files of the predictions: '3'"),
    (sample_of(["1", "2", "3", "4", "5"]), "s.csv has files that the predictions lack: '4', '5'"),
    (sample_of(["1", "2", "3", "2"]), "s.csv repeats the file '2'"),
])
def test_like_names_what_does_not_match(sample, problem):
    with pytest.raises(InputError) as caught:
        like(predictions(), sample, "s.csv")
    assert str(caught.value) == problem


def test_a_bare_name_that_fits_two_images_is_refused():
    with pytest.raises(InputError, match="'1' fits several images"):
        like(predictions(files=("a/1.jpg", "b/1.png", "c/2.jpg")), sample_of(["1", "2", "3"]))
