//! What is known of containers, as people read it.

use comfy_table::{Table, presets};

use super::Row;
use crate::problem::legible;

/// As many characters of a failure are shown.
const LONGEST_END: usize = 200;

const HEAD: [&str; 7] = [
    "PID", "UPTIME", "MEMORY", "CPU", "RESTARTS", "STATE", "LAST END",
];

fn columns(row: &Row) -> [String; 7] {
    let dash = || "-".to_owned();
    // A line is a line, whatever a container's failure says.
    let end = row.last_end.as_deref().map(|end| legible(end, LONGEST_END));
    [
        row.pid.map_or_else(dash, |pid| pid.to_string()),
        row.uptime_seconds
            .map_or_else(dash, |uptime| lasting(uptime as u64)),
        row.memory_bytes.map_or_else(dash, size),
        row.cpu_seconds
            .map_or_else(dash, |used| format!("{used:.1}s")),
        row.restarts.to_string(),
        row.state.to_owned(),
        end.unwrap_or_else(dash),
    ]
}

/// One line for each container.
pub fn table(rows: &[Row]) -> Vec<String> {
    let named = |name: String, rest: [String; 7]| [vec![name], rest.to_vec()].concat();
    let head = named("NAME".to_owned(), HEAD.map(str::to_owned));
    let rows = rows
        .iter()
        .map(|row| named(row.name.to_string(), columns(row)));
    aligned([head].into_iter().chain(rows).collect())
}

/// The same, below its sandbox and process.
pub fn tree(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut sandbox, mut process) = (None, None);
    for row in rows {
        if sandbox != Some(&row.sandbox) {
            (sandbox, process) = (Some(&row.sandbox), None);
            lines.push(vec![row.sandbox.clone()]);
        }
        if process != Some((row.command, &row.process)) {
            process = Some((row.command, &row.process));
            let kind = if row.command { " (command)" } else { "" };
            lines.push(vec![format!("  {}{kind}", row.process)]);
        }
        let name = format!("    {}", row.instance);
        lines.push([vec![name], columns(row).to_vec()].concat());
    }
    aligned(lines)
}

/// Columns that stand below each other.
pub fn aligned(lines: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).add_rows(lines);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// How long, in two units at most.
pub fn lasting(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

fn size(bytes: u64) -> String {
    let units = [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || bytes.to_string(),
        |(unit, name)| format!("{:.1}{name}", bytes as f64 / unit as f64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        let times = [5, 65, 3600, 90_000].map(lasting);
        assert_eq!(times, ["5s", "1m05s", "1h00m", "1d01h"]);
        let sizes = [12, 1536, 5 << 20, 3 << 30].map(size);
        assert_eq!(sizes, ["12", "1.5Ki", "5.0Mi", "3.0Gi"]);
    }

    #[test]
    fn columns_stand_below_each_other() {
        let lines = [["a", "b"], ["long", "c"]].map(|line| line.map(str::to_owned).to_vec());
        assert_eq!(aligned(lines.to_vec()), ["a     b", "long  c"]);
    }
}
