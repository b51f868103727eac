# One data set per data domain, and the check that no pattern stands in two of them.


rule assemble_dataset:
    """Collect the patterns of one data domain."""
    input:
        code=code_of("assemble_dataset", "data/assemble.py"),
        simulations=simulations_of_domain,
    output:
        nc=ensure("<results>/datasets/{domain}.nc", non_empty=True),
    log:
        "<logs>/assemble_dataset/{domain}.log",
    benchmark:
        "<benchmarks>/assemble_dataset/{domain}.jsonl"
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
    conda:
        "../../envs/dataset.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="30m",
    script:
        "../scripts/check_leakage.py"
