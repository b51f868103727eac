# Diffraction patterns, all thicknesses of a specimen in one file. A crystal that repeats in the
# plane gets a scattering matrix, on which all its turns are measured; others go through multislice.


rule compute_scattering_matrix:
    """Compute the scattering matrix of one crystal."""
    input:
        code=code_of(
            "compute_scattering_matrix",
            "simulate/abtem_settings.py",
            "simulate/jobs/compute_scattering_matrix.py",
            "simulate/parallel.py",
            "simulate/potential",
            "simulate/scattering_matrix/equivalent.py",
            "simulate/scattering_matrix/loops.py",
            "simulate/scattering_matrix/matrix.py",
            "simulate/scattering_matrix/plane_wave_multislice.py",
            "simulate/scattering_matrix/propagate.py",
            "simulate/wave",
            "structures",
        ),
        crystals=source_files("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/scattering/{crystal}.nc", non_empty=True),
    log:
        "<logs>/compute_scattering_matrix/{crystal}.log",
    benchmark:
        "<benchmarks>/compute_scattering_matrix/{crystal}.jsonl"
    wildcard_constraints:
        crystal=one_of(crystals_of_engine("scattering_matrix")),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=matrix_mem_mb,
        runtime="4h",
        gpu=matrix_gpus,
    params:
        settings=crystal_settings,
    script:
        "../scripts/compute_scattering_matrix.py"


rule compute_thermal_matrices:
    """Compute the scattering matrices of one crystal whose atoms move."""
    input:
        code=code_of(
            "compute_thermal_matrices",
            "simulate/abtem_settings.py",
            "simulate/jobs/compute_thermal_matrices.py",
            "simulate/parallel.py",
            "simulate/potential",
            "simulate/scattering_matrix/equivalent.py",
            "simulate/scattering_matrix/loops.py",
            "simulate/scattering_matrix/matrix.py",
            "simulate/scattering_matrix/plane_wave_multislice.py",
            "simulate/scattering_matrix/propagate.py",
            "simulate/scattering_matrix/thermal_matrices.py",
            "simulate/wave",
            "structures",
        ),
        crystals=source_files("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/scattering/{crystal}.nc", non_empty=True),
    log:
        "<logs>/compute_thermal_matrices/{crystal}.log",
    benchmark:
        "<benchmarks>/compute_thermal_matrices/{crystal}.jsonl"
    wildcard_constraints:
        crystal=one_of(crystals_of_engine("thermal_matrices")),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=matrix_mem_mb,
        runtime="4h",
        gpu=matrix_gpus,
    params:
        settings=crystal_settings,
    script:
        "../scripts/compute_thermal_matrices.py"


rule measure_patterns:
    """Measure one specimen on the scattering matrix of its crystal."""
    input:
        code=code_of(
            "measure_patterns",
            "simulate/jobs/measure_patterns.py",
            "simulate/jobs/specimen_patterns.py",
            "simulate/microscope",
            "simulate/parallel.py",
            "simulate/potential/crystal.py",
            "simulate/potential/lattice_match.py",
            "simulate/potential/repeating_unit.py",
            "simulate/scattering_matrix/matrix.py",
            "simulate/scattering_matrix/measure.py",
            "simulate/wave/plane_waves.py",
        ),
        xyz="<results>/structures/{specimen}.xyz",
        matrix=matrix_of_specimen,
    output:
        nc=ensure("<results>/simulations/{specimen}.nc", non_empty=True),
    log:
        "<logs>/measure_patterns/{specimen}.log",
    benchmark:
        "<benchmarks>/measure_patterns/{specimen}.jsonl"
    wildcard_constraints:
        specimen=one_of(specimens_of_engine("scattering_matrix")),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=measure_mem_mb,
        runtime="1h",
    params:
        settings=simulation_settings,
    script:
        "../scripts/measure_patterns.py"


rule simulate_patterns:
    """Simulate one specimen by multislice."""
    input:
        code=code_of(
            "simulate_patterns",
            "simulate/abtem_settings.py",
            "simulate/jobs/emulate_specimen.py",
            "simulate/jobs/simulate_patterns.py",
            "simulate/jobs/specimen_patterns.py",
            "simulate/microscope",
            "simulate/multislice/abtem_run.py",
            "simulate/multislice/probes.py",
            "simulate/multislice/running_sums.py",
            "simulate/potential",
            "simulate/wave/fftw_plans.py",
            "simulate/wave/plane_waves.py",
            "structures/amorphous.py",
            "structures/scenes/scan_frame.py",
        ),
        xyz="<results>/structures/{specimen}.xyz",
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
        mem_mb=simulate_mem_mb,
        runtime="12h",
        gpu=simulate_gpus,
    params:
        settings=simulation_settings,
    script:
        "../scripts/simulate_patterns.py"
