# How much memory, which devices and what priority jobs need; no rules here.
from polarstem.config import job_memory


@cache
def streamed_crystals():
    """Names of all crystals that some stream is measured on."""
    streams = map(settings_of_stream, CONFIG.streams())
    return {member["crystal"] for stream in streams for member in stream["specimens"]}


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


def training_minutes(wildcards):
    """Half a day for a network; what fits its numbers in one step takes minutes."""
    return 720 if hasattr(CONFIG.models[wildcards.model], "training") else 60


def training_size(wildcards):
    """Number of scans that a source joins; a stream has more than any."""
    if wildcards.source in CONFIG.streams():
        return 1_000_000
    return sum(
        len(specimen.thicknesses_nm)
        for domain in CONFIG.domains_of(wildcards.source)
        for specimen in plan.specimens_of_domain(CONFIG, domain)
    )


def matrix_priority(wildcards):
    """First of all what the longest trainings wait for."""
    return 2_000_000 * (wildcards.crystal in streamed_crystals())


def training_threads(wildcards):
    """Two for a network on a stream: one process measures, one learns."""
    endless = wildcards.source in CONFIG.streams()
    return 2 if endless and hasattr(CONFIG.models[wildcards.model], "training") else 1


@cache  # many jobs read one
def matrix_size(crystal):
    return jobs.matrix_mb(CONFIG, CRYSTALS[crystal])


def largest_matrix(names):
    """Size of the largest of some matrices [MB]; 0 of none."""
    return max(map(matrix_size, names), default=0)


def simulate_mem_mb(wildcards):
    return job_memory.patterns_mb(CONFIG, SPECIMENS[wildcards.specimen])


def scene_mem_mb(wildcards):
    return job_memory.scene_mb(CONFIG, wildcards.scene)


def simulate_gpus(wildcards):
    specimen_set = SPECIMENS[wildcards.specimen].specimen_set
    return int(CONFIG.simulate_of(specimen_set).device == "gpu")


def matrix_mem_mb(wildcards):
    size = matrix_size(wildcards.crystal)
    return job_memory.matrix_mb(CONFIG, CRYSTALS[wildcards.crystal], size)


def matrix_gpus(wildcards):
    specimen_set = CRYSTALS[wildcards.crystal].specimen_set
    return int(CONFIG.simulate_of(specimen_set).device == "gpu")


def measure_mem_mb(wildcards):
    largest = largest_matrix(crystals_of_domain(wildcards))
    return job_memory.measured_mb(CONFIG, wildcards.domain, largest)


def separation_mem_mb(wildcards):
    return job_memory.separation_mb(largest_matrix(separation_crystals(CONFIG)))


def limit_mem_mb(wildcards):
    return job_memory.limit_mb(largest_matrix(LIMIT_CRYSTALS))


def vector_bound_mem_mb(wildcards):
    return job_memory.vector_bound_mb(CONFIG)


def accuracy_mem_mb(wildcards):
    return job_memory.budget_mb(CONFIG)


def accuracy_gpus(wildcards):
    reference = CONFIG.domains[CONFIG.evaluate.reference_domain].specimens
    return int(CONFIG.simulate_of(reference).device == "gpu")
