# One data set per data domain, and the check that nothing tested was trained on.
from polarstem.config.separation import separation_crystals, separation_settings


rule assemble_dataset:
    """Collect the patterns of one data domain that were simulated by multislice."""
    input:
        simulations=simulations_of_domain,
    output:
        nc=ensure("<results>/datasets/{domain}.nc", non_empty=True),
    log:
        "<logs>/assemble_dataset/{domain}.log",
    benchmark:
        "<benchmarks>/assemble_dataset/{domain}.jsonl"
    wildcard_constraints:
        domain=one_of(domains_of_engine("multislice")),
    conda:
        "../../envs/dataset.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(120),
    params:
        code=code_of("assemble_dataset"),
        settings=domain_settings,
        class_names=class_names(),
        class_directions=class_directions(),
        seed=CONFIG.seed,
    script:
        "../scripts/assemble_dataset.py"


rule measure_dataset:
    """Measure the specimens of one data domain on the matrices of their crystals."""
    input:
        matrices=matrices_of_domain,
    output:
        nc=ensure("<results>/datasets/{domain}.nc", non_empty=True),
    log:
        "<logs>/measure_dataset/{domain}.log",
    benchmark:
        "<benchmarks>/measure_dataset/{domain}.jsonl"
    wildcard_constraints:
        domain=one_of(domains_of_engine("scattering_matrix")),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(measure_mem_mb),
        runtime=grows(60),
    params:
        code=code_of("measure_dataset"),
        settings=measured_settings,
        crystals=crystals_of_domain,
        class_names=class_names(),
        class_directions=class_directions(),
        seed=CONFIG.seed,
    script:
        "../scripts/measure_dataset.py"


rule check_leakage:
    """Stop the run if a pattern, or nearly the same crystal, is tested and trained on."""
    input:
        datasets=expand("<results>/datasets/{domain}.nc", domain=CONFIG.used_domains()),
        matrices=expand(
            "<results>/scattering/{crystal}.nc", crystal=separation_crystals(CONFIG)
        ),
    output:
        manifest="<results>/datasets/manifest.json",
    log:
        "<logs>/check_leakage.log",
    benchmark:
        "<benchmarks>/check_leakage.jsonl"
    # before any training, as what it finds stops the run
    priority: 10**9
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(separation_mem_mb),
        runtime=grows(30),
    params:
        code=code_of("check_leakage"),
        separation=separation_settings(CONFIG),
    script:
        "../scripts/check_leakage.py"
