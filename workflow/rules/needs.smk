# How much memory, which devices and what priority jobs need; no rules here.


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
    """One batch of waves, the images of some scan rows, potentials, and abTEM itself."""
    specimen_set = SPECIMENS[wildcards.specimen].specimen_set
    return 1500 + 2 * CONFIG.simulate_of(specimen_set).memory_mb


def simulate_gpus(wildcards):
    specimen_set = SPECIMENS[wildcards.specimen].specimen_set
    return int(CONFIG.simulate_of(specimen_set).device == "gpu")


def matrix_mem_mb(wildcards):
    """The matrix, its parts as they are written, and the libraries."""
    return 1500 + round(3 * jobs.matrix_mb(CONFIG, CRYSTALS[wildcards.crystal]))


def matrix_gpus(wildcards):
    specimen_set = CRYSTALS[wildcards.crystal].specimen_set
    return int(CONFIG.simulate_of(specimen_set).device == "gpu")


def measure_mem_mb(wildcards):
    """As for a simulation, and the matrix while it is read."""
    crystal, _ = plan.crystal_of(CONFIG, SPECIMENS[wildcards.specimen])
    return simulate_mem_mb(wildcards) + round(3 * jobs.matrix_mb(CONFIG, crystal))


def limit_mem_mb(wildcards):
    """The matrices of one group of specimens, the scores of its patterns, and the libraries."""
    largest = max(
        (jobs.matrix_mb(CONFIG, CRYSTALS[name]) for name in LIMIT_CRYSTALS), default=0
    )
    return 3000 + round(6 * largest)
