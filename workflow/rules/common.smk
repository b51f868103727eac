# Functions that the rules share; no rules here.
import os
import re
from functools import cache
from pathlib import Path

from polarstem.config import jobs, plan
from polarstem.config.error_budget import accuracy_settings
from polarstem.config.independence import independent_crystals
from polarstem.config.limit import limit_crystals, limit_settings
from polarstem.config.vector_bound import vector_bound_settings
from polarstem.import_closure import digest_of

SPECIMENS = {specimen.name: specimen for specimen in plan.all_specimens(CONFIG)}
ADAPTATIONS = CONFIG.adaptations()
CRYSTALS = {crystal.name: crystal for crystal in plan.all_crystals(CONFIG)}
LIMIT_CRYSTALS = limit_crystals(CONFIG)
VECTOR_BOUND = ["<results>/vector_bound.nc"] if CONFIG.evaluate.vector_bound else []


def one_of(names):
    """Regular expression for a wildcard that takes one of these names."""
    return "|".join(re.escape(name) for name in names) or "none"


# of the clone, from this file's place: inside another workflow's `module:` the main one is another's
ROOT = Path(str(workflow.current_basedir.get_path_or_uri(secret_free=True))).parents[1]


def source_file(name):
    """A file of this repository as an input, which is compared by content.

    Relative to the working directory, because Snakemake may run in another one, and because a
    result stays up to date when repository and results move together.
    """
    return os.path.relpath(ROOT / name)


def code_of(rule_name, models=()):
    """Parameter that stands for the code of a rule.

    Its script, the modules that this imports, and the families of models, which no import names.
    `models` are names of models, or a function of the wildcards that gives them.
    """
    script = ROOT / "workflow" / "scripts" / f"{rule_name}.py"

    def digest(wildcards):
        names = models(wildcards) if callable(models) else models
        families = {CONFIG.models[name].family for name in names}
        modules = [f"polarstem.models.family.{family}" for family in sorted(families)]
        return digest_of(script, modules)

    return digest


def structure_settings(wildcards):
    return jobs.structure_settings(CONFIG, SPECIMENS[wildcards.specimen])


def all_structure_settings():
    return [
        jobs.structure_settings(CONFIG, specimen) for specimen in SPECIMENS.values()
    ]


def simulation_settings(wildcards):
    return jobs.simulation_settings(CONFIG, SPECIMENS[wildcards.specimen])


def specimens_of_engine(engine):
    """Names of the specimens that an engine simulates."""
    chosen = {s: plan.engine_of(CONFIG, s)[0] for s in plan.used_sets(CONFIG)}
    return [name for name, s in SPECIMENS.items() if chosen[s.specimen_set] == engine]


def crystal_settings(wildcards):
    return jobs.matrix_settings(CONFIG, CRYSTALS[wildcards.crystal])


def simulations_of_domain(wildcards):
    specimens = plan.specimens_of_domain(CONFIG, wildcards.domain)
    return [f"<results>/simulations/{specimen.name}.nc" for specimen in specimens]


def domain_settings(wildcards):
    return jobs.domain_settings(CONFIG, wildcards.domain)


@cache  # several functions of each job ask
def settings_of_measured(domain):
    return jobs.measured_settings(CONFIG, domain)


def measured_settings(wildcards):
    return settings_of_measured(wildcards.domain)


def domains_of_engine(engine):
    """Used data domains whose specimens an engine simulates."""
    return [
        name
        for name in CONFIG.used_domains()
        if plan.engine_of(CONFIG, CONFIG.domains[name].specimens)[0] == engine
    ]


def crystals_of_domain(wildcards):
    specimens = measured_settings(wildcards)["specimens"]
    return list(dict.fromkeys(specimen["crystal"] for specimen in specimens))


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


def benchmarks_folder(wildcards, output):
    """Where the benchmark files are; as seen from an output, which a `module:` may have moved."""
    folders = map(workflow.pathvars.apply, ("<benchmarks>", "<results>"))
    return os.path.normpath(Path(output.json).parent / os.path.relpath(*folders))


def reference_specimens():
    """Names of one specimen per class from the set of the reference domain."""
    first = {}
    for specimen in plan.specimens_of_domain(CONFIG, CONFIG.evaluate.reference_domain):
        first.setdefault(specimen.polar_class.name, specimen.name)
    return list(first.values())


def annotated(path, name, category):
    """A figure with its caption and place in the Snakemake report."""
    caption = f"../report/{name}.rst"
    return report(path, caption=caption, category=category, labels={"figure": name})


def figure_outputs(figures):
    """Output of every figure in every format, the first annotated for the Snakemake report."""
    categories = {
        "story": "0 Report",
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
    folder = ROOT / "resources" / "report"
    return sorted(os.path.relpath(path) for path in folder.iterdir())


include: "learning.smk"
include: "experiments.smk"
include: "needs.smk"
