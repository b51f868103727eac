# SPDX-License-Identifier: GPL-3.0-or-later
"""Files misread, corrections misapplied, and sentences that are not true."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_KINDS = "tests/unit/scans/test_file_kinds.py"
_MESSAGES = "tests/unit/scans/test_file_messages.py"
_CORRECTED = "tests/unit/scans/test_corrections.py"
_SCAN = "tests/unit/scans/test_scan.py"
_CHUNKS = "tests/unit/scans/test_chunks.py"
_SHEET = "tests/unit/scans/test_sheet.py"
_FILES = "polarstem/scans/files"
_CORRECTIONS = "polarstem/scans/corrections.py"
_QUANTITIES = "polarstem/config/quantities.py"

MUTATIONS = [
    Mutation(
        "flyback frames are the last of a row",
        f"{_FILES}/stored.py",
        "np.pad(wanted, ((0, 0), (self.skip, 0)))",
        "np.pad(wanted, ((0, 0), (0, self.skip)))",
        f"{_KINDS}::test_flyback_frames_are_skipped",
    ),
    Mutation(
        "flyback frames are kept in parts of rows",
        f"{_FILES}/stored.py",
        "slice(columns.start + self.skip, columns.stop + self.skip)",
        "slice(columns.start, columns.stop)",
        f"{_KINDS}::test_flyback_frames_are_skipped",
    ),
    Mutation(
        "patterns of a chunk are counted along its columns",
        f"{_FILES}/chunks.py",
        "inside @ [self._size[1], 1]",
        "inside @ [1, self._size[0]]",
        f"{_CHUNKS}::test_patterns_are_those_of_the_library",
    ),
    Mutation(
        "the highest byte of a value is its lowest",
        f"{_FILES}/chunks.py",
        "planes[byte, number[each]]",
        "planes[-1 - byte, number[each]]",
        f"{_CHUNKS}::test_patterns_are_those_of_the_library",
    ),
    Mutation(
        "chunks with check sums are taken for plain ones",
        f"{_FILES}/chunks.py",
        "return whole and _filters(data) in _KNOWN",
        "return whole",
        f"{_CHUNKS}::test_what_only_the_library_can_unpack_is_left_to_it",
    ),
    Mutation(
        "rows of a list of patterns are as long as a pattern",
        f"{_FILES}/stored.py",
        "np.array([[self.scan_shape[1]], [1]])",
        "np.array([[self.frame_shape[1]], [1]])",
        f"{_CHUNKS}::test_a_list_of_patterns",
    ),
    Mutation(
        "frames beyond the header's columns are positions",
        f"{_FILES}/merlin.py",
        "return (rows, columns + skipped), skipped, True",
        "return (rows, columns + skipped), 0, True",
        f"{_KINDS}::test_flyback_frames_by_the_header_of_a_merlin",
    ),
    Mutation(
        "uneven pauses make rows",
        f"{_FILES}/merlin.py",
        "if not len(long) or (np.diff(np.r_[0, long]) != long[0]).any():",
        "if not len(long):",
        f"{_KINDS}::test_merlin_rows_by_the_pauses_between_them",
    ),
    Mutation(
        "exchanged axes are reversed",
        f"{_FILES}/shapes.py",
        "data.transpose(*range(2, data.ndim), 0, 1)",
        "data.transpose(*range(2, data.ndim), 1, 0)",
        f"{_KINDS}::test_axes_exchanged",
    ),
    Mutation(
        "the first of several scans is always taken",
        f"{_FILES}/axes.py",
        "    return select\n",
        "    return 0\n",
        f"{_KINDS}::test_several_scans_in_a_file",
    ),
    Mutation(
        "x and y in names of images are exchanged",
        f"{_FILES}/images.py",
        "else (int(y), int(x))",
        "else (int(x), int(y))",
        f"{_KINDS}::test_folder_of_images",
    ),
    Mutation(
        "companions of images are images",
        f"{_FILES}/images.py",
        ' and f.name[0] != "."]',
        "]",
        f"{_KINDS}::test_folder_of_images",
    ),
    Mutation(
        "the gap between bare patterns is forgotten",
        f"{_FILES}/bare.py",
        "strides = (columns * pitch, pitch,",
        "strides = (columns * size, size,",
        f"{_KINDS}::test_bare_numbers",
    ),
    Mutation(
        "the bytes of a stack are the machine's own",
        f"{_FILES}/images.py",
        "series.dtype.newbyteorder(file.byteorder)",
        "series.dtype",
        f"{_KINDS}::test_stack_of_pages",
    ),
    Mutation(
        "the second coordinate of a cube is its step",
        f"{_FILES}/py4dstem.py",
        "float(coordinate[1] - coordinate[0])",
        "float(coordinate[0])",
        f"{_KINDS}::test_cube_of_py4dstem",
    ),
    Mutation(
        "a locked file is called truncated",
        f"{_FILES}/troubles.py",
        "if isinstance(error, BlockingIOError) or any(said in text for said in _IN_USE):",
        "if False:",
        f"{_MESSAGES}::test_file_that_another_program_writes_to",
    ),
    Mutation(
        "mirrored axes pass in silence",
        "polarstem/scans/settings.py",
        "if key not in sheet.model_fields_set:",
        "if False:",
        f"{_MESSAGES}::test_axes_that_run_backwards_are_not_mirrored_in_silence",
    ),
    Mutation(
        "the flip of a transposed scan is asked for along the other axis",
        "polarstem/scans/settings.py",
        'along = (axis % 2) ^ getattr(sheet, f"{part}_transpose")',
        "along = axis % 2",
        f"{_MESSAGES}::test_axes_that_run_backwards_are_not_mirrored_in_silence",
    ),
    Mutation(
        "a missing file of frames has no name",
        f"{_FILES}/dectris.py",
        "        if missing:\n",
        "        if False:\n",
        f"{_MESSAGES}::test_dectris_master_names_the_file_that_is_missing",
    ),
    Mutation(
        "the dark is not subtracted",
        _CORRECTIONS,
        "np.maximum(found - self.dark, 0, out=found)",
        "np.maximum(found, 0, out=found)",
        f"{_CORRECTED}::test_dark_and_gain",
    ),
    Mutation(
        "patterns are multiplied by the gain",
        _CORRECTIONS,
        "found /= self.gain",
        "found *= self.gain",
        f"{_CORRECTED}::test_dark_and_gain",
    ),
    Mutation(
        "the gain keeps its factor",
        _CORRECTIONS,
        "gain / gain[~bad].mean()",
        "gain",
        f"{_CORRECTED}::test_dark_and_gain",
    ),
    Mutation(
        "the power is applied once more",
        _CORRECTIONS,
        "power = 1 / float(self.gamma or 1)",
        "power = float(self.gamma or 1)",
        f"{_CORRECTED}::test_a_power_of_the_counts_is_undone",
    ),
    Mutation(
        "saturation is looked for among stored values",
        _CORRECTIONS,
        "        if not self.change:\n            return stored\n",
        "        return stored\n",
        f"{_CORRECTED}::test_a_power_of_the_counts_is_undone",
    ),
    Mutation(
        "references are not turned",
        _CORRECTIONS,
        'gain = upright(read_reference(sheet.gain, stored, "gain"), sheet)',
        'gain = upright(read_reference(sheet.gain, stored, "gain"), Sheet())',
        f"{_CORRECTED}::test_references_are_turned_as_patterns_are",
    ),
    Mutation(
        "dead pixels of a gain are good",
        _CORRECTIONS,
        "bad = found.bad_pixels | dead",
        "bad = found.bad_pixels",
        f"{_CORRECTED}::test_dead_pixels_of_a_gain_are_bad",
    ),
    Mutation(
        "opacity masks positions",
        f"{_FILES}/references.py",
        "values[..., : -1 if alpha else None]",
        "values",
        f"{_SCAN}::test_masks_of_any_colours_and_no_opacity",
    ),
    Mutation(
        "a region starts at the corner of the scan",
        "polarstem/scans/scan.py",
        "self.origin, self.shape_stated = (region[0], region[2])",
        "self.origin, self.shape_stated = (0, 0)",
        f"{_SCAN}::test_region_keeps_its_place_in_the_whole_scan",
    ),
    Mutation(
        "a lone A is an ampere",
        _QUANTITIES,
        '_SPELLINGS = {"A": "Å", ',
        "_SPELLINGS = {",
        f"{_SHEET}::test_numbers_as_people_write_them",
    ),
    Mutation(
        "a comma always stands for a point",
        _QUANTITIES,
        "if _THOUSANDS.match(number):",
        "if False:",
        f"{_SHEET}::test_numbers_that_could_mean_anything",
    ),
]
