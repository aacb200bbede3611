//! The states of a connection and the ways between them, drawn from the library's own table.

use stentor::protocol::{State, Trigger};

const WIDTH: i32 = 124;
const HEIGHT: i32 = 38;

/// The left upper corner of a state's box.
fn place(state: State) -> (i32, i32) {
    match state {
        State::Opening => (10, 10),
        State::Handshaking => (10, 90),
        State::Ready => (10, 170),
        State::Closing => (10, 250),
        State::Rejected => (206, 10),
        State::Error => (206, 130),
    }
}

/// Returns the drawing: a group for each state, and an arrow for each change with what causes it.
pub(crate) fn svg() -> String {
    let mut svg = String::from(
        "<svg id=\"drawing\" viewBox=\"0 0 340 300\" role=\"img\" aria-labelledby=\"drawing-title\">\n\
         <title id=\"drawing-title\">The states of a connection, and what leads from one to the next</title>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
    );
    let mut labels: Vec<String> = Vec::new();
    for (from, to, causes) in arrows() {
        let ((x1, y1), (x2, y2), (x, y)) = ends(from, to);
        svg.push_str(&format!(
            "<line data-from=\"{from}\" data-to=\"{to}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" \
             marker-end=\"url(#tip)\"/>\n"
        ));
        // What several arrows to one state have in common is written once, beside that state.
        let label = format!("{to}: {causes}");
        if labels.contains(&label) {
            continue;
        }
        labels.push(label);
        for (line, cause) in (0..).zip(causes.split(' ')) {
            svg.push_str(&format!(
                "<text class=\"cause\" x=\"{x}\" y=\"{}\">{cause}</text>\n",
                y + 14 * line
            ));
        }
    }
    for state in State::ALL {
        let (x, y) = place(state);
        svg.push_str(&format!(
            "<g data-state=\"{state}\"><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\
             <text x=\"{}\" y=\"{}\">{state}</text><text class=\"here\" x=\"{}\" y=\"{}\"></text></g>\n",
            x + 8, y + 16, x + 8, y + 31
        ));
    }
    svg + "</svg>\n"
}

/// The changes of state, each with its causes.
fn arrows() -> Vec<(State, State, String)> {
    let mut arrows = Vec::new();
    for from in State::ALL {
        for to in State::ALL.into_iter().filter(|to| *to != from) {
            let causes = Trigger::ALL
                .into_iter()
                .filter(|cause| from.after(*cause) == Some(to));
            let causes: Vec<_> = causes.map(|cause| format!("{cause:?}")).collect();
            if !causes.is_empty() {
                arrows.push((from, to, causes.join(" ")));
            }
        }
    }
    arrows
}

/// The ends of an arrow, and the place of its label.
fn ends(from: State, to: State) -> ((i32, i32), (i32, i32), (i32, i32)) {
    let ((x1, y1), (x2, y2)) = (place(from), place(to));
    if x1 == x2 {
        let (begin, end) = ((x1 + 16, y1 + HEIGHT), (x2 + 16, y2));
        return (begin, end, (begin.0 + 8, (begin.1 + end.1) / 2 + 3));
    }
    // From the right edge to the left edge: to a tall fan of arrows, or straight on.
    let begin = (x1 + WIDTH, y1 + HEIGHT / 2);
    let end = (x2, y2 + HEIGHT / 2 + (y1 - y2).signum() * HEIGHT / 4);
    let label = match to {
        State::Error if from == State::Closing => {
            ((begin.0 + end.0) / 2 + 14, (begin.1 + end.1) / 2 + 22)
        }
        State::Error => (x2 + 8, y2 - 22),
        _ => ((begin.0 + end.0) / 2 - 30, begin.1 - 8),
    };
    (begin, end, label)
}

#[cfg(test)]
mod tests {
    use stentor::protocol::{State, Trigger};

    use super::{arrows, svg};

    #[test]
    fn each_change_of_the_table_is_an_arrow_and_no_other() {
        let mut changes = 0;
        for from in State::ALL {
            for cause in Trigger::ALL {
                let Some(to) = from.after(cause).filter(|to| *to != from) else {
                    continue;
                };
                changes += 1;
                let is_it = |(one, other, causes): &&(State, State, String)| {
                    *one == from
                        && *other == to
                        && causes.split(' ').any(|it| it == format!("{cause:?}"))
                };
                assert_eq!(arrows().iter().filter(is_it).count(), 1, "{from} {cause:?}");
            }
        }
        let causes = arrows()
            .iter()
            .map(|(.., causes)| causes.split(' ').count())
            .sum::<usize>();
        assert_eq!(causes, changes);
    }

    #[test]
    fn each_state_is_drawn_once() {
        let drawing = svg();
        for state in State::ALL {
            assert_eq!(
                drawing.matches(&format!("data-state=\"{state}\"")).count(),
                1
            );
        }
        assert_eq!(drawing.matches("<line ").count(), arrows().len());
    }
}
