# SPDX-License-Identifier: GPL-3.0-or-later
"""Prediction files from a saved model and data sets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from polarstem.data.dataset_file import pattern_hashes
from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.predictions import read_predictions
from polarstem.evaluate.scores.write_predictions import Adaptation, _calibration, predict_patterns
from polarstem.models import FitJob, adaptation, create, load_model
from polarstem.models.calibration import Calibration
from polarstem.models.calibration_fit import scan_weights
from polarstem.models.calibration_split import BY_SPECIMEN, CalibrationPatterns
from polarstem.models.family.pca_knn import PcaKnnModel
from tests.unit.evaluate import synthetic_results as synthetic

K = (np.arange(16) - 7.5) * 4.0


def write_dataset(path, domain, thickness, names=synthetic.NAMES, splits=(0, 1, 2)):
    """A data set in the contract's schema: one specimen per class and split, 4 positions."""
    patterns, columns = [], {key: [] for key in ("class_index", "specimen_index", "split")}
    specimens = []
    rng = np.random.default_rng(int(thickness))
    for k, direction in enumerate(synthetic.DIRECTIONS):
        for split in splits:
            specimens.append(f"static-{synthetic.NAMES[k]}-{split}-0")
            for position in range(4):
                image = synthetic.pattern(direction, thickness, position / 4, 0.3, K)
                patterns.append(image * (1 + rng.normal(0, 1e-3, image.shape)))
                columns["class_index"].append(k)
                columns["specimen_index"].append(len(specimens) - 1)
                columns["split"].append(split)
    n = len(patterns)
    xr.Dataset(
        {
            "intensity": (("pattern", "ky", "kx"), np.array(patterns, dtype=np.float32)),
            **{key: ("pattern", np.array(values)) for key, values in columns.items()},
            "thickness": ("pattern", np.full(n, thickness)),
            "cell_y": ("pattern", np.tile(np.arange(4) / 4, n // 4)),
            "cell_x": ("pattern", np.full(n, 0.3)),
            "scan_y": ("pattern", np.tile(np.arange(4), n // 4)),
            "scan_x": ("pattern", np.zeros(n, int)),
            "specimen_name": ("specimen", np.array(specimens, dtype=object)),
            "class_name": ("class", np.array(names, dtype=object)),
            "class_direction": ("class", synthetic.DIRECTIONS),
            "pattern_hash": ("pattern", pattern_hashes(np.array(patterns, dtype=np.float32))),
        },
        attrs={"data_domain": domain},
    ).to_netcdf(path, engine="netcdf4")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    paths = [write_dataset(folder / f"{d}.nc", d, t) for d, t in (("thin", 10.0), ("thick", 20.0))]
    model = create("pca_knn", {"components": 5}, synthetic.NAMES, synthetic.DIRECTIONS)
    with (
        PatternSet.open(paths[:1], "train") as train,
        PatternSet.open(paths[:1], "validation") as v,
    ):
        model.fit(train, v, FitJob(folder / "work", seed=0))
    model.save(folder / "models" / "knn" / "thin" / "3")
    return folder / "models" / "knn" / "thin" / "3", paths


def test_predictions_follow_the_schema(trained, tmp_path):
    model_dir, paths = trained
    predict_patterns(model_dir, paths, tmp_path / "p.nc", batch=7)
    with xr.open_dataset(tmp_path / "p.nc") as file:
        assert file["probability"].shape == (64, 8)
        assert file["probability"].dtype == np.float32
        assert file["probability"].sum("class").values == pytest.approx(1, abs=1e-5)
        run = {key: file.attrs[key] for key in ("model", "family", "head", "source", "seed")}
        expected = ("knn", "pca_knn", "none", "thin", "3")
        assert run == dict(zip(run, expected, strict=True))
        assert file.attrs["git_commit"]
        assert all("units" in file[name].attrs for name in file.variables)
        assert file["thickness"].attrs["units"] == "nm"
    parts = list(read_predictions(tmp_path / "p.nc"))
    assert [part.domain for part in parts] == ["thin", "thick"]
    assert parts[1].thickness.tolist() == [20.0] * 32
    assert all("-2-" in name for name in parts[0].specimen_names)  # test specimens alone
    with PatternSet.open(paths[1:], "test") as patterns:
        direct = load_model(model_dir).predict_proba(patterns.read(slice(None)))
        assert parts[1].probability == pytest.approx(direct, abs=1e-6)
        assert parts[1].class_index.tolist() == patterns.class_index.tolist()
        names = [parts[1].specimen_names[i] for i in parts[1].specimen]
        assert names == patterns.specimen.tolist()


def test_written_probabilities_are_calibrated(trained, tmp_path):
    model_dir, paths = trained
    fitted = Calibration(2.0, 0.3, 0.25, 0.5, 0.75)
    model = load_model(model_dir)
    model.info["calibration"] = fitted.attributes()
    model.save(tmp_path / "model")
    predict_patterns(tmp_path / "model", paths[1:], tmp_path / "p.nc", seed=0)
    (part,) = read_predictions(tmp_path / "p.nc")
    assert part.calibration == fitted
    with PatternSet.open(paths[1:], "test") as patterns:
        votes = model.predict_proba(patterns.read(slice(None)))
        assert part.scan_y.tolist() == patterns.scan_y.tolist()
    roots = np.sqrt(votes)
    expected = 0.7 * roots / roots.sum(1, keepdims=True) + 0.3 / 8
    assert part.probability == pytest.approx(expected, abs=1e-6)


def test_batches_do_not_change_the_numbers(trained, tmp_path):
    model_dir, paths = trained
    for batch in (5, 1000):
        predict_patterns(model_dir, paths, tmp_path / f"{batch}.nc", batch=batch, model="m", seed=9)
    with xr.open_dataset(tmp_path / "5.nc") as a, xr.open_dataset(tmp_path / "1000.nc") as b:
        xr.testing.assert_allclose(a, b)
        assert (a.attrs["model"], a.attrs["source"], a.attrs["seed"]) == ("m", "thin", "9")


def test_answers_that_stand_there_are_taken_over(trained, tmp_path, monkeypatch):
    model_dir, paths = trained
    asked = []
    answer = PcaKnnModel.predict_proba

    def counted(self, patterns):
        asked.append(len(patterns))
        return answer(self, patterns)

    def predict(*given, code="a", model=model_dir):
        asked.clear()
        predict_patterns(model, list(given), tmp_path / "p.nc", code=code, seed=3)
        return sum(asked) - 1  # loading asks once

    monkeypatch.setattr(PcaKnnModel, "predict_proba", counted)
    thin, thick = paths
    assert predict(thick) == 32
    assert predict(thick) == 0
    assert predict(thin, thick) == 32, "the new one alone"
    with xr.open_dataset(tmp_path / "p.nc") as file:
        first = file.load()
    assert predict(thick, thin) == 0
    parts = {part.domain: part.probability for part in read_predictions(tmp_path / "p.nc")}
    (tmp_path / "p.nc").unlink()
    assert predict(thin, thick) == 64
    with xr.open_dataset(tmp_path / "p.nc") as file:
        np.testing.assert_array_equal(file["probability"], first["probability"])
    for part in read_predictions(tmp_path / "p.nc"):
        np.testing.assert_array_equal(part.probability, parts[part.domain])
    # other code, another model, other patterns, a damaged file: nothing is taken over
    assert predict(thin, thick, code="b") == 64
    assert predict(thin, thick, code=None) == 64
    assert predict(thin, thick, code="b") == 64
    model = load_model(model_dir)
    model.info["calibration"] = Calibration(2.0).attributes()
    model.save(tmp_path / "model")
    assert predict(thin, thick, code="b", model=tmp_path / "model") == 64
    other = write_dataset(tmp_path / "thick.nc", "thick", 30.0)
    assert predict(thin, other, code="b", model=tmp_path / "model") == 32
    # a model that was edited by hand has no checksum that tells whether it is the same
    path = tmp_path / "model" / "model.json"
    description = json.loads(path.read_text())
    del description["checksum"]
    path.write_text(json.dumps(description))
    for _ in range(2):
        assert predict(thin, other, code="b", model=tmp_path / "model") == 64
    model.save(tmp_path / "model")
    # a data set that does not tell its patterns is asked about each time
    with xr.open_dataset(other) as file:
        silent = file.load().drop_vars("pattern_hash")
    silent.to_netcdf(tmp_path / "silent.nc")
    for expected in (64, 32):
        assert predict(thin, tmp_path / "silent.nc", code="c") == expected
    (tmp_path / "p.nc").write_bytes(b"not netCDF")
    assert predict(thin, other, code="b", model=tmp_path / "model") == 64


def test_foreign_classes_and_empty_test_splits_are_refused(trained, tmp_path):
    model_dir, _ = trained
    other = write_dataset(tmp_path / "o.nc", "o", 10.0, names=[f"X{i}" for i in range(8)])
    with pytest.raises(PolarstemError, match="has the classes X0"):
        predict_patterns(model_dir, [other], tmp_path / "p.nc")
    empty = write_dataset(tmp_path / "e.nc", "e", 10.0, splits=(0, 1))
    with pytest.raises(PolarstemError, match="no test pattern"):
        predict_patterns(model_dir, [empty], tmp_path / "p.nc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.nc", "o.nc"]


@pytest.mark.parametrize(("scan", "scans"), [("specimen", 16), ("domain", 2)])
def test_a_model_is_fitted_to_each_scan(trained, tmp_path, monkeypatch, scan, scans):
    """Every pattern is answered by the model that was fitted to its scan, and to it alone."""
    model_dir, paths = trained
    fitted = []

    def adapt(model, patterns, method, turned_copies):
        fitted.append((len(patterns), method, turned_copies, patterns.sum()))
        number = len(fitted)

        class Marked:
            def predict_proba(self, intensity):
                assert intensity.sum() == pytest.approx(patterns.sum()) or scan == "domain"
                mark = np.full((len(intensity), 8), 1 - number / 100, np.float32) / 7
                mark[:, 0] = number / 100
                return mark

        return Marked()

    monkeypatch.setattr(adaptation, "adapt", adapt)
    how = Adaptation("prototypes", scan, turned_copies=False)
    predict_patterns(model_dir, paths, tmp_path / "p.nc", model="knn_fitted", adaptation=how)
    assert len(fitted) == scans
    assert {row[:3] for row in fitted} == {(64 // scans, "prototypes", False)}
    parts = list(read_predictions(tmp_path / "p.nc"))
    assert [part.run["model"] for part in parts] == ["knn_fitted"] * 2
    for part in parts:
        if scan == "domain":
            assert len(np.unique(part.probability[:, 0])) == 1
            continue
        for specimen in range(len(part.specimen_names)):
            assert len(np.unique(part.probability[part.specimen == specimen, 0])) == 1
    assert len({float(p) for part in parts for p in part.probability[:, 0]}) == scans
    with xr.open_dataset(tmp_path / "p.nc") as file:
        assert '"method": "prototypes"' in file.attrs["adaptation"]


def test_scans_keep_truth_and_place(trained, tmp_path):
    """Averaged over its turned copies, a pattern's answer does not depend on the scan's order."""
    model_dir, paths = trained
    how = Adaptation("symmetry")
    predict_patterns(model_dir, paths, tmp_path / "p.nc", adaptation=how, batch=3)
    fitted = adaptation.adapt(load_model(model_dir), np.zeros((1, 16, 16), "f4"), "symmetry")
    for part, path in zip(read_predictions(tmp_path / "p.nc"), paths, strict=True):
        with PatternSet.open([path], "test") as patterns:
            found = fitted.predict_proba(patterns.read(slice(None)))
            keys = zip(patterns.specimen, patterns.cell_y, strict=True)
            place = {key: row for row, key in enumerate(keys)}
            for row, probability in enumerate(part.probability):
                key = (part.specimen_names[part.specimen[row]], part.cell_y[row])
                np.testing.assert_allclose(probability, found[place[key]], atol=1e-6)
                assert part.class_index[row] == patterns.class_index[place[key]]


EIGHT = np.eye(8)


def scans_to_adapt_to(count, seed, domain):
    """Scans of 12 patterns that tell class, an offset of the whole scan, and their probability.

    The model is sure of the class that its first pixels name, which the offset makes wrong in
    some scans; fitted to a scan it is as sure, and wrong in others.
    """
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % 8
    wrong, wrong_then = (rng.random(count) < share for share in (0.02, 0.3))
    doubt = rng.uniform(0.0, 0.6, count)
    patterns = np.zeros((count * 12, 16, 16), np.float32)
    for scan in range(count):
        rows = slice(12 * scan, 12 * scan + 12)
        patterns[rows, 0, 0] = (truth[scan] + wrong[scan]) % 8
        patterns[rows, 0, 1] = (truth[scan] + wrong_then[scan] * (doubt[scan] > 0.2)) % 8
        patterns[rows, 0, 2] = doubt[scan]
    return PatternSet.from_arrays(
        patterns,
        np.repeat(truth, 12),
        synthetic.NAMES,
        synthetic.DIRECTIONS,
        specimen=np.repeat([f"{domain}-{k}" for k in range(count)], 12),
        domain=np.full(12 * count, domain),
    )


class Named:
    def __init__(self, pixel):
        self.pixel = pixel

    def predict_proba(self, patterns):
        first, doubt = patterns[:, 0, self.pixel].astype(int), patterns[:, 0, 2, None]
        return ((1 - doubt) * EIGHT[first] + doubt * EIGHT[first - 1]).astype(np.float32)


@pytest.mark.parametrize("scan", ["specimen", "domain"])
def test_a_fitted_model_is_calibrated_as_what_it_has_become(trained, monkeypatch, scan):
    """Its errors are others than those of the model, and so are its sets."""
    fits = []

    def adapt(model, patterns, method, turned_copies):
        fits.append(len(patterns))
        return Named(1)

    monkeypatch.setattr(adaptation, "adapt", adapt)
    model = load_model(trained[0])
    model.info["calibration"] = Calibration(threshold=0.51, scans=99.0).attributes()
    parts = [scans_to_adapt_to(100, seed, domain) for seed, domain in enumerate("ab")]
    both = PatternSet.from_arrays(
        np.concatenate([part.read(slice(None)) for part in parts]),
        np.concatenate([part.class_index for part in parts]),
        synthetic.NAMES,
        synthetic.DIRECTIONS,
        specimen=np.concatenate([part.specimen for part in parts]),
        domain=np.concatenate([part.domain for part in parts]),
    )
    how = Adaptation("prototypes", scan)
    given = CalibrationPatterns(both, BY_SPECIMEN)
    found = _calibration(model, how, given, 64)
    assert fits == [12] * 200 if scan == "specimen" else fits == [1200] * 2
    assert found.scans == 200
    new = scans_to_adapt_to(400, 7, "c")
    probability = found.apply(Named(1).predict_proba(new.read(slice(None))))
    rows = np.arange(new.n), new.class_index
    weights = scan_weights(new.scan)
    assert weights @ found.sets(probability)[rows] == pytest.approx(0.9, abs=0.05)
    kept = _calibration(model, None, given, 64)
    assert kept == Calibration(threshold=0.51, scans=99.0)
    assert weights @ kept.sets(Named(1).predict_proba(new.read(slice(None))))[rows] < 0.85
    # nothing to calibrate on: no sets rather than those of another model
    assert _calibration(model, how, None, 64) == Calibration()


def test_doses_reach_the_probabilities(trained, tmp_path):
    model_dir, paths = trained
    fitted = Calibration(2.0, temperature_per_decade=0.5, dose_low=1e3, dose_high=1e5)
    model = load_model(model_dir)
    model.info["calibration"] = fitted.attributes()
    model.save(tmp_path / "model")
    with xr.open_dataset(paths[1]) as file:
        dose = np.where(np.arange(file.sizes["pattern"]) % 2, 1e3, 1e5)
        file.load().assign(dose=("pattern", dose)).to_netcdf(tmp_path / "d.nc")
    predict_patterns(tmp_path / "model", [tmp_path / "d.nc"], tmp_path / "p.nc", seed=0)
    (part,) = read_predictions(tmp_path / "p.nc")
    assert set(part.dose) == {1e3, 1e5}
    with PatternSet.open([tmp_path / "d.nc"], "test") as patterns:
        plain = model.predict_proba(patterns.read(slice(None)))
    for electrons, power in ((1e3, 1 / 2.0), (1e5, 1 / 0.5)):
        rows = part.dose == electrons
        expected = plain[rows] ** power
        expected /= expected.sum(1, keepdims=True)
        assert part.probability[rows] == pytest.approx(expected, abs=1e-5)
