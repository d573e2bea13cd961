//! The parts of a page that a command writes.

/// The page with this part written anew: what stands between `<!-- name -->` and the next `<!-- end -->`. `None`, if there
/// is no such part.
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
    fn only_the_part_of_this_name_is_written_anew() {
        let page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n";
        let expected = "a\n<!-- one -->\nnew\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n";
        assert_eq!(rewritten(page, "one", "new\n").as_deref(), Some(expected));
        assert_eq!(rewritten(page, "three", "new\n"), None);
    }
}
