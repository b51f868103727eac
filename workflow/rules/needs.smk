# How much memory, which devices and what priority jobs need; no rules here.
import math

from polarstem.config import needs
from polarstem.config.error_budget import accuracy_mb

# what is asked for over what is counted: allocators and libraries keep some of what was freed
RESERVE = 1.25


def grows(amount):
    """Memory [MB] or time [minutes] that a job asks for: more each time it has to try again.

    `amount` is that of the first attempt, a number or a function of the wildcards.
    """

    def asked(wildcards, attempt):
        first = amount(wildcards) if callable(amount) else amount
        return attempt * first

    return asked


def training_gpus(wildcards):
    """One card for a network where the config asks for it; other families use none."""
    network = hasattr(CONFIG.models[wildcards.model], "training")
    return int(network and CONFIG.train.device == "gpu")


def training_size(wildcards):
    """Number of scans that a source joins; a stream has more than any."""
    if wildcards.source in CONFIG.streams():
        return 1_000_000
    return sum(
        len(specimen.thicknesses_nm)
        for domain in CONFIG.domains_of(wildcards.source)
        for specimen in plan.specimens_of_domain(CONFIG, domain)
    )


def training_threads(wildcards):
    """Two for a network on a stream: one process measures, one learns."""
    endless = wildcards.source in CONFIG.streams()
    return 2 if endless and hasattr(CONFIG.models[wildcards.model], "training") else 1


def simulate_mem_mb(wildcards):
    """One batch of waves, the specimen's images, potentials, and abTEM itself."""
    structure = structure_settings(wildcards)
    return round(
        RESERVE * needs.multislice_mb(structure, simulation_settings(wildcards))
    )


def scene_mem_mb(wildcards):
    """Transmission functions of the whole field, the scan's images, and abTEM itself."""
    predicted = needs.scene_mb(scene_settings(wildcards), scan_settings(wildcards))
    return round(RESERVE * predicted)


def simulate_gpus(wildcards):
    specimen_set = SPECIMENS[wildcards.specimen].specimen_set
    return int(CONFIG.simulate_of(specimen_set).device == "gpu")


def matrix_mem_mb(wildcards):
    """The matrix, its parts as they are written, and the libraries.

    Of thermal matrices one configuration at a time.
    """
    crystal = CRYSTALS[wildcards.crystal]
    count = 1
    if plan.engine_of(CONFIG, crystal.specimen_set)[0] == "thermal_matrices":
        count = CONFIG.simulate_of(crystal.specimen_set).phonons.configurations
    return 1500 + round(3 * jobs.matrix_mb(CONFIG, crystal) / count)


def matrix_gpus(wildcards):
    specimen_set = CRYSTALS[wildcards.crystal].specimen_set
    return int(CONFIG.simulate_of(specimen_set).device == "gpu")


def measure_mem_mb(wildcards):
    """A matrix, while it is read, the images of one specimen, and the libraries."""
    specimens = CONFIG.domains[wildcards.domain].specimens
    simulate = CONFIG.simulate_of(specimens)
    images = 8e-6 * math.prod(simulate.scan.positions) * simulate.detector.pixels**2
    matrix = max(
        jobs.matrix_mb(CONFIG, CRYSTALS[name]) for name in crystals_of_domain(wildcards)
    )
    return 1500 + simulate.memory_mb + round(images + 3 * matrix)


def separation_mem_mb(wildcards):
    """A matrix while it is read and made ready, the data sets' hashes, and the libraries."""
    names = separation_crystals(CONFIG)
    largest = max((jobs.matrix_mb(CONFIG, CRYSTALS[n]) for n in names), default=0)
    return 2000 + round(4 * largest)


def limit_mem_mb(wildcards):
    """The matrices of one group of specimens, the scores of its patterns, and the libraries."""
    largest = max(
        (jobs.matrix_mb(CONFIG, CRYSTALS[name]) for name in LIMIT_CRYSTALS), default=0
    )
    return 3000 + round(6 * largest)


def accuracy_mem_mb(wildcards):
    """The widest field's matrix, its factors while it is measured, and the libraries."""
    return 1500 + round(6 * accuracy_mb(CONFIG))


def accuracy_gpus(wildcards):
    reference = CONFIG.domains[CONFIG.evaluate.reference_domain].specimens
    return int(CONFIG.simulate_of(reference).device == "gpu")
