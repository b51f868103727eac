# Diffraction patterns by multislice, all thicknesses of a specimen in one run.


rule simulate_patterns:
    """Simulate one specimen."""
    input:
        code=code_of(
            "simulate_patterns",
            "simulate/detector.py",
            "simulate/multislice.py",
            "simulate/scan.py",
            "simulate/specimen.py",
        ),
        xyz="<results>/structures/{specimen}.xyz",
    output:
        nc=ensure("<results>/simulations/{specimen}.nc", non_empty=True),
    log:
        "<logs>/simulate_patterns/{specimen}.log",
    benchmark:
        "<benchmarks>/simulate_patterns/{specimen}.jsonl"
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
