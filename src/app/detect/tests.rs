use expect_test::expect;
use model::Timestamp;

use super::{
    output::{JsonLines, Judged, Table, Writer},
    read::Point,
};

fn points() -> Vec<(Point, Judged)> {
    let score = [0.1, 3.5, 4.0, 0.2, 3.2];
    let point = |(at, score): (usize, f64)| {
        let point = Point { text: format!("0{at}:00"), line: 1, at: Timestamp(at as u64), value: at as f64 };
        let judged = Judged { expected: 1.0, lower: 0.5, upper: 1.5, score, is_anomalous: score > 3.0 };
        (point, judged)
    };
    score.into_iter().enumerate().map(point).collect()
}

fn written(writer: &mut dyn Writer) {
    for (point, judged) in points() {
        writer.point("cpu", &point, &judged).unwrap();
    }
    writer.end().unwrap();
}

#[test]
fn the_table_has_a_line_for_each_episode() {
    let mut out = Vec::new();
    written(&mut Table::new(&mut out));
    expect![[r#"
        SERIES  START                      END                          SCORE         VALUE  expected (band)
        cpu     01:00                      02:00                         4.00        2.0000  1.0000 (0.5000 to 1.5000)
        cpu     04:00                      04:00                         3.20        4.0000  1.0000 (0.5000 to 1.5000)
        2 episodes in 5 points
    "#]].assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn json_has_a_line_for_each_point_and_null_for_what_is_not_known() {
    let mut out = Vec::new();
    let mut writer = JsonLines::new(&mut out);
    let (point, _) = points().remove(0);
    writer.point("cpu", &point, &Judged::default()).unwrap();
    writer.end().unwrap();
    drop(writer);
    expect![[r#"
        {"series":"cpu","timestamp":"00:00","value":0.0,"expected":null,"lower":null,"upper":null,"score":null,"anomalous":false}
    "#]].assert_eq(&String::from_utf8(out).unwrap());
}
