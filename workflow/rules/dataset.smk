# One data set per data domain, and the check that no pattern stands in two of them.


rule assemble_dataset:
    """Collect the patterns of one data domain."""
    input:
        code=code_of("assemble_dataset", "data/assemble.py", "data/dataset_file.py"),
        simulations=simulations_of_domain,
    output:
        nc=ensure("<results>/datasets/{domain}.nc", non_empty=True),
    log:
        "<logs>/assemble_dataset/{domain}.log",
    benchmark:
        "<benchmarks>/assemble_dataset/{domain}.jsonl"
    wildcard_constraints:
        domain=one_of(sorted(set(CONFIG.used_domains()) - set(measured_domains()))),
    conda:
        "../../envs/dataset.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime="2h",
    params:
        settings=domain_settings,
        class_names=class_names(),
        class_directions=class_directions(),
        seed=CONFIG.seed,
    script:
        "../scripts/assemble_dataset.py"


rule measure_dataset:
    """Measure the test specimens of one data domain anew under its own conditions."""
    input:
        code=code_of(
            "measure_dataset",
            "data/dataset_file.py",
            "data/measured.py",
            "simulate/microscope",
            "simulate/parallel.py",
            "simulate/scattering_matrix/matrix.py",
            "simulate/scattering_matrix/measure.py",
            "simulate/wave/plane_waves.py",
        ),
        matrices=matrices_of_domain,
    output:
        nc=ensure("<results>/datasets/{domain}.nc", non_empty=True),
    log:
        "<logs>/measure_dataset/{domain}.log",
    benchmark:
        "<benchmarks>/measure_dataset/{domain}.jsonl"
    wildcard_constraints:
        domain=one_of(measured_domains()),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        runtime="1h",
    params:
        settings=measured_settings,
        crystals=crystals_of_domain,
        class_names=class_names(),
        class_directions=class_directions(),
        seed=CONFIG.seed,
    script:
        "../scripts/measure_dataset.py"


rule check_leakage:
    """Stop the run if a pattern stands in two splits or two data domains."""
    input:
        code=code_of("check_leakage", "data/leakage.py"),
        datasets=expand("<results>/datasets/{domain}.nc", domain=CONFIG.used_domains()),
    output:
        manifest="<results>/datasets/manifest.json",
    log:
        "<logs>/check_leakage.log",
    benchmark:
        "<benchmarks>/check_leakage.jsonl"
    # before any training, as what it finds stops the run
    priority: 10**9
    conda:
        "../../envs/dataset.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="30m",
    script:
        "../scripts/check_leakage.py"
