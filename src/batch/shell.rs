//! Words for a shell.

/// Words as one line that a POSIX shell takes apart into the same words.
pub fn shell_line(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    words.into_iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_the_same_words() {
        let words =
            ["a b", "", "it's", "$HOME `date` \"x\"", "(Sup*HIO**50)**12", "--a=b,c", "two\nlines", "é", "!#&;|"];
        let script = format!("printf '%s\\0' {}", shell_line(words));
        let Ok(output) = Command::new("sh").args(["-c", &script]).output() else {
            return println!("skipped: no sh");
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.split_terminator('\0').collect::<Vec<_>>(), words);
        assert_eq!(shell_line(["run", "a.h5:/1.1", "--nb-run=4"]), "run a.h5:/1.1 --nb-run=4");
    }
}
