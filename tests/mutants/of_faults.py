# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that changed and are read in silence, folders that are lost, faults that are not told."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CHECKED = "tests/unit/core/test_checked_netcdf.py"
_FILES = "tests/unit/core/test_files.py"
_FAULTS = "tests/unit/core/test_machine_faults.py"
_FLIPS = "tests/unit/faults/test_flipped_bits.py::test_flipped_bits_are_told"
_MODELS = "tests/unit/models/test_changed_models.py"
_OTHERS = "tests/unit/faults/test_files_of_other_settings.py"
_KILLED = f"{_FILES}::test_a_kill_while_folders_are_replaced_loses_none"
_NETCDF = "polarstem/checked_netcdf.py"
_PATHS = "polarstem/files.py"
_SAVED = "polarstem/models/saved.py"

MUTATIONS = [
    Mutation(
        "arrays have no checksum",
        _NETCDF,
        'options["fletcher32"] = True',
        'options["fletcher32"] = False',
        f"{_CHECKED}::test_what_was_written_comes_back",
    ),
    Mutation(
        "a digest that differs is passed over",
        _NETCDF,
        "    if file.getncattr(CHECKSUM) != _digest(file):\n",
        "    if False:\n",
        f"{_CHECKED}::test_changes_are_told",
    ),
    Mutation(
        "values without a checksum are not in the digest",
        _NETCDF,
        "        if not checked:\n",
        "        if False:\n",
        f"{_CHECKED}::test_changes_are_told",
    ),
    Mutation(
        "attributes of variables are not in the digest",
        _NETCDF,
        "bool(checked), _attributes(variable)]",
        "bool(checked)]",
        f"{_CHECKED}::test_changes_are_told",
    ),
    Mutation(
        "dimensions are not in the digest",
        _NETCDF,
        "{name: len(dimension) for name, dimension in file.dimensions.items()},",
        "{},",
        f"{_CHECKED}::test_changes_are_told",
    ),
    Mutation(
        "another one's file is taken",
        _NETCDF,
        'and "/".join(parts) != own:',
        "and False:",
        f"{_CHECKED}::test_a_file_under_another_ones_name",
    ),
    Mutation(
        "files may not be moved",
        _NETCDF,
        'if parts[0] == own.split("/")[0] and',
        "if True and",
        f"{_CHECKED}::test_a_file_under_another_ones_name",
    ),
    Mutation(
        "the folders of a name are forgotten",
        _NETCDF,
        "parts[-folders - 1 :]",
        "parts[-2:]",
        f"{_CHECKED}::test_folders_can_belong_to_the_name",
    ),
    Mutation(
        "chunks are as large as the array",
        _NETCDF,
        "parts = math.ceil(shape[axis] * rest / _CHUNK)",
        "parts = 1",
        f"{_CHECKED}::test_chunks_of_large_arrays_are_planes",
    ),
    Mutation(
        "xarray's own error tells of a flipped bit",
        _NETCDF,
        "data=LazilyIndexedArray(_Array(name, self))",
        "data=LazilyIndexedArray(NetCDF4ArrayWrapper(name, self))",
        _FLIPS,
    ),
    Mutation(
        "a damaged plane of thermal matrices has no name",
        "polarstem/simulate/scattering_matrix/thermal_matrices.py",
        "with told, netCDF4.Dataset(self.path) as file:",
        "with netCDF4.Dataset(self.path) as file:",
        _FLIPS,
    ),
    Mutation(
        "damaged patterns have no name",
        "polarstem/data/patterns.py",
        'with told_if_damaged(self._path(source), "data set"):',
        "if True:",
        _FLIPS,
    ),
    Mutation(
        "a matrix of other settings is taken",
        "polarstem/simulate/scattering_matrix/matrix.py",
        "if own.get(name, value) != value:",
        "if False:",
        f"{_OTHERS}::test_a_matrix_of_other_settings",
    ),
    Mutation(
        "a damaged library is called another file",
        "polarstem/simulate/pattern_library.py",
        "except PolarstemError:  # damaged",
        "except KeyboardInterrupt:",
        "tests/unit/faults/test_flipped_bits.py::test_flipped_bits_are_told",
    ),
    Mutation(
        "a library need not know the model's classes",
        "polarstem/maps/setup.py",
        "unknown = set(setup.model.class_names) - set(library.class_names)",
        "unknown = set[str]()",
        f"{_OTHERS}::test_the_library_of_another_model",
    ),
    Mutation(
        "the library of another model is taken",
        "polarstem/maps/setup.py",
        "abs(value - trained[name]) > 1e-5",
        "abs(value - trained[name]) > 10",
        f"{_OTHERS}::test_the_library_of_another_model",
    ),
    Mutation(
        "the old folder is removed before the new one stands",
        _PATHS,
        "    os.rename(old, aside)\n    os.rename(new, old)\n    _remove(aside)\n",
        "    _remove(old)\n    os.rename(new, old)\n",
        _KILLED,
    ),
    Mutation(
        "an old folder set aside stays aside",
        _PATHS,
        "    if aside.exists() and not path.exists():\n",
        "    if False:\n",
        _KILLED,
    ),
    Mutation(
        "folders are never exchanged",
        _PATHS,
        "    if _exchange(new, old):\n",
        "    if False:\n",
        _KILLED,
    ),
    Mutation(
        "files get their name before they are on the disk",
        _PATHS,
        "        _to_disk(temporary)\n",
        "",
        f"{_FILES}::test_written_out_before_it_is_renamed",
    ),
    Mutation(
        "numpy's full disk is not seen",
        _PATHS,
        "    hidden = isinstance(error, OSError) and error.errno is None\n",
        "    hidden = False\n",
        f"{_FAULTS}::test_a_disk_that_is_full",
    ),
    Mutation(
        "a clock that is behind is not noticed",
        _PATHS,
        "if ahead > _CLOCKS_APART:",
        "if ahead > 7200:",
        f"{_FAULTS}::test_files_dated_in_the_future",
    ),
    Mutation(
        "clocks of a network must agree",
        _PATHS,
        "_CLOCKS_APART = 5.0",
        "_CLOCKS_APART = 0.0",
        f"{_FAULTS}::test_files_dated_in_the_future",
    ),
    Mutation(
        "a full log ends in tracebacks of logging",
        "polarstem/logs.py",
        "_add(_LogFile(path,",
        "_add(logging.FileHandler(path,",
        f"{_FAULTS}::test_a_disk_that_is_full",
    ),
    Mutation(
        "torch's want of memory has a traceback",
        "polarstem/machine_faults.py",
        "any(said in text.lower() for said in _NO_MEMORY)",
        "False",
        f"{_FAULTS}::test_jobs_end_with_one_sentence",
    ),
    Mutation(
        "every error is the machine's",
        "polarstem/machine_faults.py",
        "    if not isinstance(error, OSError) or code is None:\n        return None\n",
        "    if code is None:\n        return text + '.'\n",
        f"{_FAULTS}::test_other_errors_keep_their_traceback",
    ),
    Mutation(
        "changed weights are loaded",
        _SAVED,
        "if _digest(path.read_bytes()) != digest:",
        "if False:",
        f"{_MODELS}::test_a_flipped_bit_is_told",
    ),
    Mutation(
        "a changed description is believed",
        _SAVED,
        "_own_digest(description)) != _own_digest(description):",
        "_own_digest(description)) is None:",
        f"{_MODELS}::test_a_flipped_bit_is_told",
    ),
    Mutation(
        "files of networks are not verified",
        "polarstem/models/network.py",
        "files = (WEIGHTS_FILE, HISTORY_FILE)",
        "files = (WEIGHTS_FILE,)",
        f"{_MODELS}::test_all_files_are_listed",
    ),
    Mutation(
        "files of other families are not verified",
        "polarstem/models/arrays.py",
        "files = (ARRAYS_FILE,)",
        "files = ()",
        f"{_MODELS}::test_all_files_are_listed",
    ),
]
