//! Parts of a Markdown page that a command generates.

/// The page with one part replaced: the text between `<!-- name -->` and the next `<!-- end -->`. `None` if the page
/// has no such part.
#[must_use]
pub fn rewritten(page: &str, name: &str, part: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n"))?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}<!-- {name} -->\n{part}<!-- end -->{after}"))
}

#[cfg(test)]
mod tests {
    use super::rewritten;

    #[test]
    fn only_the_part_with_this_name_is_replaced() {
        let page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n";
        let expected = "a\n<!-- one -->\nnew\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n";
        assert_eq!(rewritten(page, "one", "new\n").as_deref(), Some(expected));
        assert_eq!(rewritten(page, "three", "new\n"), None);
    }
}
