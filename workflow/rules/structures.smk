# Crystals with polar displacements, one file per specimen, and their table.


rule build_structure:
    """Build one specimen."""
    input:
        code=code_of("build_structure", "structures"),
        crystals=source_files("resources/crystals.yaml"),
    output:
        xyz=ensure("<results>/structures/{specimen}.xyz", non_empty=True),
    log:
        "<logs>/build_structure/{specimen}.log",
    benchmark:
        "<benchmarks>/build_structure/{specimen}.jsonl"
    conda:
        "../../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        settings=structure_settings,
    script:
        "../scripts/build_structure.py"


rule tabulate_specimens:
    """List all specimens: class, direction, variant, amplitude, polarization, seeds."""
    input:
        code=code_of("tabulate_specimens", "structures/table.py"),
        xyz=expand("<results>/structures/{specimen}.xyz", specimen=SPECIMENS),
    output:
        csv=report(
            "<results>/structures/specimens.csv",
            caption="../report/specimens.rst",
            category="1 Crystals",
            labels={"table": "specimens"},
        ),
    log:
        "<logs>/tabulate_specimens.log",
    benchmark:
        "<benchmarks>/tabulate_specimens.jsonl"
    conda:
        "../../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    script:
        "../scripts/tabulate_specimens.py"
