# A crystal that repeats in the plane gets a scattering matrix, on which data sets measure all its
# turns; other specimens go through multislice, all thicknesses of one in a file.


rule compute_scattering_matrix:
    """Compute the scattering matrix of one crystal."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/scattering/{crystal}.nc", non_empty=True),
    log:
        "<logs>/compute_scattering_matrix/{crystal}.log",
    benchmark:
        "<benchmarks>/compute_scattering_matrix/{crystal}.jsonl"
    wildcard_constraints:
        crystal=one_of(crystals_of_engine("scattering_matrix")),
    priority: matrix_priority
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(matrix_mem_mb),
        runtime=grows(240),
        gpu=matrix_gpus,
    params:
        code=code_of("compute_scattering_matrix"),
        settings=crystal_settings,
    script:
        "../scripts/compute_scattering_matrix.py"


rule compute_thermal_matrices:
    """Compute the scattering matrices of one crystal whose atoms move."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/scattering/{crystal}.nc", non_empty=True),
    log:
        "<logs>/compute_thermal_matrices/{crystal}.log",
    benchmark:
        "<benchmarks>/compute_thermal_matrices/{crystal}.jsonl"
    wildcard_constraints:
        crystal=one_of(crystals_of_engine("thermal_matrices")),
    priority: matrix_priority
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(matrix_mem_mb),
        runtime=grows(240),
        gpu=matrix_gpus,
    params:
        code=code_of("compute_thermal_matrices"),
        settings=crystal_settings,
    script:
        "../scripts/compute_thermal_matrices.py"


rule simulate_patterns:
    """Build and simulate one specimen by multislice."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/simulations/{specimen}.nc", non_empty=True),
    log:
        "<logs>/simulate_patterns/{specimen}.log",
    benchmark:
        "<benchmarks>/simulate_patterns/{specimen}.jsonl"
    wildcard_constraints:
        specimen=one_of(specimens_of_engine("multislice")),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(simulate_mem_mb),
        runtime=grows(720),
        gpu=simulate_gpus,
    params:
        code=code_of("simulate_patterns"),
        structure=structure_settings,
        settings=simulation_settings,
    script:
        "../scripts/simulate_patterns.py"
