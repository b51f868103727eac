# Functions that the rules share; no rules here.
import os
import re
from pathlib import Path

from polarstem.config import jobs, plan
from polarstem.config.error_budget import accuracy_settings
from polarstem.config.independence import independent_crystals
from polarstem.config.limit import limit_crystals, limit_settings

SPECIMENS = {specimen.name: specimen for specimen in plan.all_specimens(CONFIG)}
ADAPTATIONS = CONFIG.adaptations()
CRYSTALS = {crystal.name: crystal for crystal in plan.all_crystals(CONFIG)}
LIMIT_CRYSTALS = limit_crystals(CONFIG)


def one_of(names):
    """Regular expression for a wildcard that takes one of these names."""
    return "|".join(re.escape(name) for name in names) or "none"


def source_files(*parts):
    """Files of this repository, given by name or by folder, as seen from the working directory.

    As inputs they are compared by content, so an edit reruns the stage and a checkout does
    not. Relative, because Snakemake may run in another directory, and because a result stays
    up to date when repository and results move together.
    """
    root = Path(os.path.relpath(workflow.basedir))
    files = []
    for part in parts:
        path = root / part
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(file) for file in files]


def code_of(rule_name, *parts):
    """The script of a rule and the modules of the package that it rests on."""
    script = f"workflow/scripts/{rule_name}.py"
    modules = [f"polarstem/{part}" for part in parts]
    return source_files(script, "polarstem/seeds.py", *modules)


def structure_settings(wildcards):
    return jobs.structure_settings(CONFIG, SPECIMENS[wildcards.specimen])


def simulation_settings(wildcards):
    return jobs.simulation_settings(CONFIG, SPECIMENS[wildcards.specimen])


def specimens_of_engine(engine):
    """Names of the specimens that an engine simulates."""
    chosen = {s: plan.engine_of(CONFIG, s)[0] for s in plan.used_sets(CONFIG)}
    return [name for name, s in SPECIMENS.items() if chosen[s.specimen_set] == engine]


def crystal_settings(wildcards):
    return jobs.matrix_settings(CONFIG, CRYSTALS[wildcards.crystal])


def matrix_of_specimen(wildcards):
    crystal, _ = plan.crystal_of(CONFIG, SPECIMENS[wildcards.specimen])
    return f"<results>/scattering/{crystal.name}.nc"


def simulations_of_domain(wildcards):
    specimens = plan.specimens_of_domain(CONFIG, wildcards.domain)
    return [f"<results>/simulations/{specimen.name}.nc" for specimen in specimens]


def domain_settings(wildcards):
    return jobs.domain_settings(CONFIG, wildcards.domain)


def measured_settings(wildcards):
    return jobs.measured_settings(CONFIG, wildcards.domain)


def measured_domains():
    """Data domains whose specimens are measured anew under conditions of their own."""
    names = CONFIG.used_domains()
    return [name for name in names if CONFIG.domains[name].conditions is not None]


def crystals_of_domain(wildcards):
    specimens = plan.specimens_of_domain(CONFIG, wildcards.domain)
    tested = [specimen for specimen in specimens if specimen.split == "test"]
    return list(dict.fromkeys(plan.crystal_of(CONFIG, s)[0].name for s in tested))


def matrices_of_domain(wildcards):
    return [f"<results>/scattering/{name}.nc" for name in crystals_of_domain(wildcards)]


def crystals_of_engine(engine):
    """Names of the crystals whose matrices an engine computes."""
    return [
        name
        for name, crystal in CRYSTALS.items()
        if plan.engine_of(CONFIG, crystal.specimen_set)[0] == engine
    ]


def class_names():
    return [polar_class.name for polar_class in plan.class_table(CONFIG)]


def class_directions():
    return [polar_class.direction_deg for polar_class in plan.class_table(CONFIG)]


def benchmarks_folder():
    """Where the benchmark files are, as the summary reads them."""
    return workflow.pathvars.apply("<benchmarks>")


def reference_files(template):
    """Files of one specimen per class from the set of the reference domain."""
    first = {}
    for specimen in plan.specimens_of_domain(CONFIG, CONFIG.evaluate.reference_domain):
        first.setdefault(specimen.polar_class.name, specimen.name)
    return [template.format(specimen=name) for name in first.values()]


def annotated(path, name, category):
    """A figure with its caption and place in the Snakemake report."""
    caption = f"../report/{name}.rst"
    return report(path, caption=caption, category=category, labels={"figure": name})


def figure_outputs(figures):
    """Output of every figure in every format, the first annotated for the Snakemake report."""
    categories = {
        "structure": "1 Crystals",
        "examples": "2 Patterns",
        "accuracy": "2 Patterns",
        "resources": "4 Resources",
    }
    outputs = {}
    for name, formats in figures.items():
        paths = [f"<results>/figures/{name}.{suffix}" for suffix in formats]
        outputs[name] = annotated(paths[0], name, categories.get(name, "3 Evaluation"))
        outputs |= {f"{name}_{Path(path).suffix[1:]}": path for path in paths[1:]}
    return outputs


def templates_of_report():
    folder = Path(os.path.relpath(workflow.basedir)) / "resources" / "report"
    return sorted(str(path) for path in folder.iterdir())


include: "learning.smk"
include: "experiments.smk"
include: "needs.smk"
