use super::*;
use edge_faas_core::scenario::Scenario;

/// Calls of all phases that take, besides what the simulator says, what `extra` says for each.
fn rows(round_trip: i64, extra: impl Fn(&str, u64) -> (i64, i64, i64, i64)) -> Rows {
    let mut rows = Rows::default();
    let phases = ["direct", "local", "routed", "cpu", "look-ups", "cold"];
    for (phase, number) in phases.iter().flat_map(|phase| (0..100u64).map(move |number| (*phase, number))) {
        let (lag, passage, exec, dial) = extra(phase, number);
        let way = if ["direct", "local"].contains(&phase) { 0 } else { round_trip };
        let connect = if phase == "cold" { dial } else { 0 };
        rows.calls.push(Call {
            phase: phase.to_owned(),
            number,
            ok: true,
            lag: Some(lag),
            lookup: 0,
            connect,
            exec: Some(5_000 + exec),
            latency: Some(lag + way + passage + connect + 5_000 + exec),
        });
    }
    for number in 0..100 {
        let (lag, ..) = extra("request", number);
        rows.lookups.push(Lookup { length: 2 * (round_trip + lag), requests: 2, plain: true });
    }
    rows
}

fn pair(round_trip: i64) -> Pair {
    let simulated = rows(round_trip, |_, _| (0, 0, 0, 4 * round_trip));
    let real = rows(round_trip, |phase, number| {
        let number = number as i64;
        match phase {
            "direct" => (10, 100 + number, 70, 0),
            "local" => (500, 200 + number, 70, 0),
            "request" => (300, 0, 0, 0),
            "cpu" => (500, 1_000 + number, 30, 0),
            _ => (500, 1_000 + number, 70, 5 * round_trip + 900),
        }
    });
    Pair { round_trip: Duration::from_micros(round_trip), real, simulated }
}

#[test]
fn what_the_simulator_charges_already_is_not_charged_again() {
    let measured = measure(&[pair(4_000), pair(24_000)]).unwrap();
    assert_eq!(measured.handshake_round_trips, 5);
    let median = |key: &str| {
        let law = measured.laws.iter().find(|(name, _)| *name == key).unwrap();
        law.1.quantile(0.5)
    };
    let medians: Vec<i64> =
        ["entry", "direct", "local", "routed", "sleep", "cpu", "handshake", "request"].map(median).into();
    assert_eq!(medians, [500, 149, 249, 1_049, 70, 30, 900, 300]);
}

#[test]
fn what_is_written_is_a_scenario_that_others_include() {
    struct Files(String);
    impl Loader for Files {
        fn load(&self, path: &str) -> io::Result<Vec<u8>> {
            Ok(match path {
                "calibration.toml" => self.0.clone(),
                _ => "include = [\"calibration.toml\"]\nname = \"a\"\nnetwork = { nodes = 2 }\n\
                      phase = [{ name = \"p\", duration = \"1s\" }]\n"
                    .to_owned(),
            }
            .into())
        }
    }
    let measured = measure(&[pair(4_000), pair(24_000)]).unwrap();
    let files = Files(measured.to_toml(&["a machine".to_owned()]));
    let loaded = Scenario::load("a.toml", &files, &[]).unwrap();
    let scenario = &loaded.variants[0].scenario;
    assert_eq!(scenario.network.handshake_round_trips, 5);
    let mean = |law: &Option<edge_faas_core::draws::Distribution>| law.as_ref().unwrap().mean().unwrap();
    assert!((mean(&scenario.calibration.routed) - 0.001_049).abs() < 0.000_02);
    assert!((mean(&scenario.calibration.sleep) - 0.000_07).abs() < 1e-9);
}

#[test]
fn too_few_samples_are_no_measurement() {
    let mut pairs = [pair(4_000), pair(24_000)];
    pairs[0].real.lookups.clear();
    pairs[1].real.lookups.truncate(5);
    let error = measure(&pairs).unwrap_err().to_string();
    assert!(error.contains("request: only 5 samples"), "{error}");
    assert!(measure(&pairs[..1]).unwrap_err().to_string().contains("cannot be told"));
}

#[test]
fn the_simulator_plays_it_and_takes_nothing_besides() {
    let loaded = super::scenario().unwrap();
    assert_eq!(loaded.variants.len(), 2);
    for variant in &loaded.variants {
        let rows = simulate(variant, &Inputs::read(&variant.scenario).unwrap()).unwrap();
        let of =
            |phase: &str| rows.calls.iter().filter(|call| call.phase == phase && call.is_plain()).count();
        assert!(of("direct") >= 75 && of("local") >= 75 && of("routed") >= 130 && of("cpu") >= 75);
        assert!(rows.calls.iter().filter_map(Call::dial).count() >= 20);
        assert!(rows.lookups.iter().filter_map(Lookup::per_request).count() >= 20, "{:?}", rows.lookups);
        let lag = rows.calls.iter().filter(|call| call.phase == "routed").filter_map(|call| call.lag);
        assert_eq!(lag.max(), Some(0));
    }
}
