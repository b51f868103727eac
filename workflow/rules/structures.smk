# Crystals with polar displacements, one file per specimen, and their table.


rule build_structures:
    """Build all specimens and list them: class, direction, variant, polarization, seeds."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        csv=report(
            "<results>/structures/specimens.csv",
            caption="../report/specimens.rst",
            category="1 Crystals",
            labels={"table": "specimens"},
        ),
        xyz=directory("<results>/structures/specimens"),
    log:
        "<logs>/build_structures.log",
    benchmark:
        "<benchmarks>/build_structures.jsonl"
    conda:
        "../../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code_of("build_structures"),
        settings=all_structure_settings(),
    script:
        "../scripts/build_structures.py"
