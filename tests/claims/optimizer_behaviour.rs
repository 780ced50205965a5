//! What the update rules do in a long valley and round a saddle: slides "Behavior in a long valley" and "... saddle point".

use kniff::optim::{AdaGrad, Adam, AdamW, Adamax, Lion, Momentum, NAdam, Nesterov, RmsProp, Rprop, Rule, Sgd, State};

/// The points that a rule visits from a start, with the gradient given.
fn walk<R: Rule>(
    rule: R,
    rate: f64,
    start: [f64; 2],
    steps: usize,
    gradient: impl Fn([f64; 2]) -> [f64; 2],
) -> Vec<[f64; 2]> {
    let mut state = State::new(&rule);
    let mut at = start;
    let mut path = vec![at];
    for _ in 0..steps {
        let g = gradient(at);
        rule.step_slice(&mut at, &g, &mut state, rate);
        path.push(at);
    }
    path
}

/// A valley along x: (x^2 + 100 y^2) / 2, with curvatures 1 and 100.
fn valley([x, y]: [f64; 2]) -> [f64; 2] {
    [x, 100.0 * y]
}

/// A saddle, down along y: x^2 - y^2.
fn saddle([x, y]: [f64; 2]) -> [f64; 2] {
    [2.0 * x, -2.0 * y]
}

/// From almost on the ridge that leads to the saddle.
const RIDGE: [f64; 2] = [1.0, 1e-5];

fn settled(path: &[[f64; 2]]) -> usize {
    let inside = |p: &[f64; 2]| (p[0] * p[0] + 100.0 * p[1] * p[1]) / 2.0 < 1e-6;
    path.iter().position(inside).unwrap_or(usize::MAX)
}

#[test]
fn momentum_damps_the_valley() {
    // 1.9 of the bound's 2: each plain step across the valley overshoots to -0.9 of where it was.
    let rate = 0.019;
    let plain = walk(Sgd, rate, [1.0, 1.0], 2000, valley);
    let heavy = walk(Momentum { momentum: 0.5, ..Momentum::default() }, rate, [1.0, 1.0], 2000, valley);
    assert!((plain[40][1] - 0.9_f64.powi(40)).abs() < 1e-9);
    // With momentum mu the oscillation shrinks by sqrt(mu) a step: 0.5^20 = 1e-6 after forty, against 0.9^40 = 1e-2.
    let amplitude = |path: &[[f64; 2]]| path[35..45].iter().map(|p| p[1].abs()).fold(0.0, f64::max);
    assert!(amplitude(&heavy) < 1e-3 * amplitude(&plain), "{} {}", amplitude(&heavy), amplitude(&plain));
    // And along the valley it is faster.
    assert!(settled(&heavy) * 3 < settled(&plain) * 2, "{} {}", settled(&heavy), settled(&plain));
    assert!(settled(&plain) < 2000);
}

#[test]
fn sgd_stalls_at_the_saddle() {
    let path = walk(Sgd, 0.02, RIDGE, 200, saddle);
    let [x, y] = path[200];
    // Down the ridge to the saddle, and no further: the way out grows only by 1.04 a step, from next to nothing.
    assert!(x < 1e-3 && y < 0.05, "{x} {y}");
    let [gx, gy] = saddle(path[160]);
    assert!(gx.hypot(gy) < 0.02, "the gradient has all but vanished");
}

#[test]
fn adaptive_rules_leave_the_saddle() {
    // The first step along each axis has the size of the rate, however small the gradient: 0.02 instead of 4e-7.
    let rate = 0.02;
    let ends = [
        // Its steps only ever get shorter, so that it is on its way for longer.
        ("AdaGrad", walk(AdaGrad::default(), rate, RIDGE, 400, saddle)[400]),
        ("RMSProp", walk(RmsProp::default(), rate, RIDGE, 200, saddle)[200]),
        ("Adam", walk(Adam::default(), rate, RIDGE, 200, saddle)[200]),
        ("AdamW", walk(AdamW::default(), rate, RIDGE, 200, saddle)[200]),
        ("Adamax", walk(Adamax::default(), rate, RIDGE, 200, saddle)[200]),
        ("NAdam", walk(NAdam::default(), rate, RIDGE, 200, saddle)[200]),
        ("Lion", walk(Lion::default(), rate, RIDGE, 200, saddle)[200]),
        ("Rprop", walk(Rprop::default(), rate, RIDGE, 200, saddle)[200]),
    ];
    for (name, [x, y]) in ends {
        assert!(x * x - y * y < -0.5, "{name} is still at ({x}, {y})");
    }
}

/// Whether a rule's steps shrink on a loss of curvature `lambda`.
fn stable<R: Rule>(rule: R, rate: f64, lambda: f64) -> bool {
    let path = walk(rule, rate, [1.0, 0.0], 4000, |[x, _]| [lambda * x, 0.0]);
    path[4000][0].abs() < 1.0
}

#[test]
fn momentum_widens_the_bound() {
    use kniff::trainer::curvature::bound;
    let lambda = 7.0;
    for mu in [0.5, 0.9, 0.99] {
        let (heavy, nesterov) = (Momentum { momentum: mu, ..Momentum::default() }, Nesterov { momentum: mu });
        let (wide, narrow) = (bound::momentum(lambda, mu), bound::nesterov(lambda, mu));
        assert!(stable(heavy, 0.99 * wide, lambda) && !stable(heavy, 1.01 * wide, lambda), "momentum {mu}");
        assert!(stable(nesterov, 0.99 * narrow, lambda) && !stable(nesterov, 1.01 * narrow, lambda), "Nesterov {mu}");
        assert!(narrow < bound::gradient_descent(lambda) && bound::gradient_descent(lambda) < wide);
    }
    // Adam with a preconditioner that stands still is momentum as an average: dampening beta1.
    for beta1 in [0.5, 0.9] {
        let average = Momentum { momentum: beta1, dampening: beta1 };
        let adam = bound::adam(lambda, beta1);
        assert!(stable(average, 0.99 * adam, lambda) && !stable(average, 1.01 * adam, lambda), "Adam {beta1}");
    }
}
