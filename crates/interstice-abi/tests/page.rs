//! The page about the ABI names every host call and export with its parameters, as the table has them.

use interstice_abi::host::{EXPORTS, HOST_CALLS, Number};

#[test]
fn the_page_and_the_table_agree() {
    let page = include_str!("../../../docs/internals/abi.md");
    let word = |number: &Number| if *number == Number::I32 { "i32" } else { "i64" };
    let mut rows = 0;
    for call in HOST_CALLS.iter().chain(EXPORTS) {
        let params: Vec<_> = call.params.iter().map(word).collect();
        let result = call.result.as_ref().map_or("", word);
        let row = format!("| `{}` | {} | {result} | {} |", call.name, params.join(", "), call.doc);
        assert!(page.contains(&row), "the page lacks:\n{row}");
        rows += 1;
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), rows, "the page has rows of its own");
}
