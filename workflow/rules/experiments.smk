# Functions of the rules that make and map experiments; no rules here.
from polarstem.config import map_jobs

SCENES = map_jobs.scenes(CONFIG)


def scene_settings(wildcards):
    return map_jobs.scene_settings(CONFIG, wildcards.scene)


def scan_settings(wildcards):
    return map_jobs.scan_settings(CONFIG, wildcards.scene)


def recommended_library():
    return map_jobs.recommended_library(CONFIG)


def of_experiments(template):
    """Fill the name of every experiment that is mapped into a path."""
    return [template.format(experiment=name) for name in CONFIG.mapped()]


def of_mapped_scenes(template):
    """Fill the name of every virtual experiment that is mapped into a path."""
    return [template.format(experiment=n) for n in CONFIG.mapped() if n in SCENES]


def factors_of_reality():
    """How the mapped experiments that belong to the ladder of reality depart from the ideal."""
    found = {name: CONFIG.experiments[name].reality for name in CONFIG.mapped()}
    return {name: factor for name, factor in found.items() if factor and name in SCENES}


def defect_free(template):
    return [template.format(scene=name) for name in CONFIG.evaluate.defect_free]


def scan_of_experiment(wildcards):
    """The detector file: the user's, or that of a virtual experiment."""
    scan = CONFIG.experiments[wildcards.experiment].scan
    return scan or f"<results>/scans/{wildcards.experiment}.hspy"


def sheet_of_experiment(wildcards):
    """The scan sheet, if it is a file."""
    experiment = CONFIG.experiments[wildcards.experiment]
    if experiment.scene is not None:
        return f"<results>/scans/{wildcards.experiment}.yaml"
    return experiment.sheet if isinstance(experiment.sheet, str) else []


def sheet_settings(wildcards):
    return map_jobs.sheet_settings(CONFIG, wildcards.experiment)


def is_forced(wildcards):
    return CONFIG.experiments[wildcards.experiment].force


# what a reference model has beside the model: a library always, an anomaly reference where
# experiments without defects calibrate it
ANOMALY = ["<results>/anomaly.npz"] if CONFIG.evaluate.defect_free else []
MAPS = ["<results>/maps.json"] if CONFIG.mapped() else []
FIGURES_OF_MAPS = (
    ["<results>/figures/maps.png", "<results>/figures/first_map.png"]
    if CONFIG.mapped()
    else []
)
FIGURES_OF_MAPS += ["<results>/figures/reality.svg"] if factors_of_reality() else []
