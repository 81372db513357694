//! Removing what stands in brackets over several lines.

use super::*;

#[test]
fn what_is_removed_from_brackets_takes_its_own_comment_along() {
    let gone = |name| change(Files, name, &[]);
    let map = "secret-files: {\n  A: <a>, # of a\n  # about b\n  B: [\n    <b>, # of b\n  ], # end of b\n  C: <c> # of c\n}\n";
    becomes(map, gone("A"), &map.replace("  A: <a>, # of a\n", ""));
    let b = "  B: [\n    <b>, # of b\n  ], # end of b\n";
    becomes(map, gone("B"), &map.replace(b, ""));
    becomes(map, gone("C"), &map.replace("  C: <c> # of c\n", ""));
    let list = "A: [\n  <a>, # of a\n  <b>, # of b\n  <c> # of c\n] # all\n";
    for (left, removed) in [
        ([1, 2], "  <a>, # of a\n"),
        ([0, 2], "  <b>, # of b\n"),
        ([0, 1], "  <c> # of c\n"),
    ] {
        becomes(list, change(Whole, "A", &left), &list.replace(removed, ""));
    }
    becomes(
        list,
        change(Whole, "A", &[3]),
        "A: [\n  <d>, # of a\n] # all\n",
    );
    // Where there is no comment, no comma is left over.
    becomes(
        "A: [\n  <a>,\n  <b>\n] # all\n",
        change(Whole, "A", &[0]),
        "A: [\n  <a>\n] # all\n",
    );
}

#[test]
fn what_shares_a_comment_within_brackets_is_not_removed() {
    let c = || change(Files, "C", &[]);
    for text in [
        "secret-files: { A: <a>, # of a\n  C: <c> }\n",
        "secret-files: { C: <c>, # of c\n  A: <a> }\n",
        "secret-files: { A: <a>, C: <c> # of both\n}\n",
        "secret-files: {\n  A: <a>, C: <c>, # of both\n  B: <b> }\n",
    ] {
        is_refused(text, c(), "the way it is laid out");
    }
    let list = "A: [ <a>, # of a\n  <b> ]\n";
    is_refused(list, change(Whole, "A", &[0]), "the way it is laid out");
}
