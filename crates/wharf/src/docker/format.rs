//! Lists as docker prints them: tables, `--format` with a template, `--format json`, and IDs only.

use serde_json::Value;

use super::template::{self, Template};
use crate::exit::{Failure, OrFail};

/// How one kind of list is shown where nobody asks for anything else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    /// The table's cells, a template.
    pub(crate) cells: &'static str,
    /// What is printed with `--quiet`, a template.
    pub(crate) quiet: &'static str,
    /// Fields whose heading is not their name in capitals.
    pub(crate) headings: &'static [(&'static str, &'static str)],
}

impl List {
    /// The rows, as `format` wants them; without one, as a table.
    pub(crate) fn render(
        &self,
        rows: &[Value],
        format: Option<&str>,
        quiet: bool,
    ) -> Result<String, Failure> {
        let format = format.map(unescape);
        let cells = match format.as_deref() {
            None | Some("" | "table") if quiet => return lines(rows, self.quiet),
            None | Some("" | "table") => self.cells.to_owned(),
            Some("json") => return Ok(rows.iter().map(|row| template::json(row) + "\n").collect()),
            Some(template) => match template.strip_prefix("table") {
                Some(cells) => cells.trim_start_matches(' ').to_owned(),
                None => return lines(rows, template),
            },
        };
        let heading = self.heading(&cells)?;
        let template = Template::parse(&cells).or_usage()?;
        let mut table = vec![heading];
        for row in rows {
            table.push(template.render(row).or_usage()?);
        }
        Ok(align(&table))
    }

    /// The cells carried out on the headings.
    fn heading(&self, cells: &str) -> Result<String, Failure> {
        let template = Template::parse(cells).or_usage()?;
        let name = |field: &str| {
            let known = self.headings.iter().find(|(name, _)| *name == field);
            known.map_or_else(|| capitals(field), |(_, heading)| (*heading).to_owned())
        };
        // What picks one label is headed by its name, which a template cannot know here.
        let names: serde_json::Map<String, Value> =
            template.fields().into_iter().map(|field| (field.clone(), name(&field).into())).collect();
        template.render(&Value::Object(names)).or_usage()
    }
}

/// `RunningFor` as `RUNNING FOR`, `ID` as `ID`.
fn capitals(field: &str) -> String {
    let mut text = String::new();
    let mut lower = false;
    for c in field.chars() {
        if c.is_uppercase() && lower {
            text.push(' ');
        }
        lower = c.is_lowercase();
        text.extend(c.to_uppercase());
    }
    text
}

fn lines(rows: &[Value], template: &str) -> Result<String, Failure> {
    let template = Template::parse(template).or_usage()?;
    rows.iter().map(|row| Ok(template.render(row).or_usage()? + "\n")).collect()
}

/// In lists, and only there, docker takes these two escapes outside of actions, too.
fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

/// Columns at least ten wide and three apart, as docker's tables are.
pub(crate) fn align(rows: &[String]) -> String {
    const NARROWEST: usize = 10;
    const GAP: usize = 3;
    let lines: Vec<Vec<&str>> = rows.iter().map(|row| row.split('\t').collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for line in &lines {
        for (nth, cell) in line[..line.len() - 1].iter().enumerate() {
            let width = (cell.chars().count() + GAP).max(NARROWEST);
            match widths.get_mut(nth) {
                Some(known) => *known = (*known).max(width),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for line in lines {
        for (nth, cell) in line.iter().enumerate() {
            text.push_str(cell);
            if nth + 1 < line.len() {
                text.push_str(&" ".repeat(widths[nth] - cell.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIST: List = List {
        cells: "{{.ID}}\t{{.RunningFor}}\t{{.Names}}",
        quiet: "{{.ID}}",
        headings: &[("ID", "CONTAINER ID")],
    };

    #[test]
    fn an_empty_table_is_docker_s_line_of_headings() {
        assert_eq!(LIST.render(&[], None, false).unwrap(), "CONTAINER ID   RUNNING FOR   NAMES\n");
        assert_eq!(
            LIST.render(&[], Some("table {{.Names}}\\t{{.ID}}"), false).unwrap(),
            "NAMES     CONTAINER ID\n"
        );
    }

    #[test]
    fn rows_come_as_asked_for() {
        let rows = [json!({ "ID": "a", "RunningFor": "1 hour ago", "Names": "web" })];
        let table = LIST.render(&rows, None, false).unwrap();
        assert_eq!(table, "CONTAINER ID   RUNNING FOR   NAMES\na              1 hour ago    web\n");
        assert_eq!(LIST.render(&rows, None, true).unwrap(), "a\n");
        assert_eq!(LIST.render(&rows, Some("{{.Names}}\\t{{.ID}}"), false).unwrap(), "web\ta\n");
        assert_eq!(
            LIST.render(&rows, Some("json"), false).unwrap(),
            "{\"ID\":\"a\",\"RunningFor\":\"1 hour ago\",\"Names\":\"web\"}\n"
        );
        assert!(LIST.render(&rows, Some("{{.Nope}}"), false).is_err());
    }
}
