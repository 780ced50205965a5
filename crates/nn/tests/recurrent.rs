//! Recurrent networks of two layers in both directions against PyTorch, and their shapes, names and dropout.

use kniff_autograd::{Var, grad, hvp};
use kniff_init::{GlorotUniform, Orthogonal};
use kniff_nn::layers::{
    Embedding, Gru, GruStep, LastStep, Linear, Lstm, LstmState, LstmStep, Recurrence, Recurrent, RecurrentOptions, Rnn,
    RnnStep, Sequential,
};
use kniff_nn::{Layer, ModuleExt, sample, summary};
use kniff_tensor::{Rng, Tensor};

const TWO_BY_TWO: RecurrentOptions = RecurrentOptions { layers: 2, bidirectional: true, dropout: 0.0, bias: true };

fn build<R: Recurrence>(options: RecurrentOptions) -> Recurrent<R, f64> {
    Recurrent::with_options(2, 2, options, GlorotUniform, Orthogonal::default(), &mut Rng::new(0))
}

/// What PyTorch 2.15 gives for the same weights: element i of parameter k is `sin(7 i + 3 k) / 2`.
struct Expected<'a> {
    output: &'a [f64],
    last: &'a [f64],
    input_gradient: &'a [f64],
    /// Of each parameter, in PyTorch's order.
    gradient_sums: &'a [f64],
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-12 * largest, "{f} instead of {e}");
    }
}

fn agrees<R: Recurrence>(expected: &Expected<'_>) {
    let mut layer = build::<R>(TWO_BY_TWO);
    for (k, (_, p)) in layer.parameters_mut().into_iter().enumerate() {
        p.set(Tensor::from_fn(*p.value().shape(), |i| ((7 * i + 3 * k) as f64).sin() * 0.5));
    }
    let x = Tensor::from_fn([2, 3, 2], |i| (1.3 * i as f64).cos());
    let cotangent = Var::constant(Tensor::from_fn([2, 3, 4], |i| (0.7 * i as f64).sin()));
    let run = layer.run(&Var::constant(x.clone()), None);
    close(&run.output.value().to_vec(), expected.output);
    let last: Vec<f64> = run.last.iter().flat_map(|state| R::output(state).value().to_vec()).collect();
    close(&last, expected.last);
    let mut point: Vec<Var<f64>> = vec![Var::constant(x)];
    point.extend(layer.parameters().into_iter().map(|(_, p)| Var::constant(p.value().clone())));
    let loss = |p: &Vec<Var<f64>>| {
        layer.clone().with_parameters(&p[1..], |layer| layer.forward(&p[0])).mul(&cotangent).sum_all()
    };
    let gradients = grad(loss, &point);
    close(&gradients[0].value().to_vec(), expected.input_gradient);
    let sums: Vec<f64> = gradients[1..].iter().map(|g| g.value().sum_all().item()).collect();
    close(&sums, expected.gradient_sums);
}

#[test]
fn a_plain_network_agrees_with_pytorch() {
    agrees::<RnnStep>(&Expected {
        output: &[
            0.09780543381750786,
            0.07634963544411691,
            -0.27125016313077166,
            0.37765460739768303,
            0.08779427378502311,
            -0.1370983747953313,
            0.26318146055598407,
            -0.49533330799395064,
            -0.12511970431285224,
            0.38437587471891893,
            -0.4606818035465984,
            0.532253098694169,
            -0.015348984194150286,
            -0.00942611168088629,
            0.11300287042910703,
            -0.2949265848083105,
            -0.1493003015122957,
            0.27382259597774317,
            -0.30793416897222614,
            0.33888177638675915,
            0.10210201371438682,
            -0.12166268971160242,
            0.02360821392983373,
            -0.013708027988022741,
        ],
        last: &[
            0.5172433364514739,
            0.8339765206720979,
            -0.04485688892113598,
            0.152951498116734,
            -0.13333646100113714,
            0.7047546249377085,
            0.012415015698830223,
            -0.4498707999774018,
            -0.12511970431285224,
            0.38437587471891893,
            0.10210201371438682,
            -0.12166268971160242,
            -0.27125016313077166,
            0.37765460739768303,
            0.11300287042910703,
            -0.2949265848083105,
        ],
        input_gradient: &[
            0.09069969994950255,
            0.1945786622636034,
            -0.04227458190047788,
            -0.14876589817097802,
            -0.021076132345585995,
            0.051576764482632625,
            -0.20182335572671817,
            -0.3259318119284532,
            0.16972473854507023,
            0.2596569714407194,
            -0.04955482371580082,
            -0.1271819548293509,
        ],
        gradient_sums: &[
            2.603517509468488,
            -1.8158148666377476,
            -0.356911160896749,
            -0.356911160896749,
            -0.15799813826557618,
            0.025393609794561442,
            0.08284402893126115,
            0.08284402893126115,
            -0.9292679207888446,
            0.20264692784278487,
            1.4887982889845186,
            1.4887982889845186,
            6.729034216203611,
            -0.4728997959843863,
            0.7006040475798754,
            0.7006040475798755,
        ],
    });
}

#[test]
fn long_short_term_memory_agrees_with_pytorch() {
    agrees::<LstmStep>(&Expected {
        output: &[
            0.004478139680396513,
            -0.0076165716464257375,
            0.017317905310726196,
            0.012814178311884201,
            0.005419511484027904,
            -0.010614048602671828,
            0.013610962345832995,
            0.00945989373107549,
            0.0049025471219202674,
            -0.011003043718027013,
            0.007323484622238063,
            0.006463828637094193,
            0.02128086930913777,
            -0.026022267458755858,
            0.04611607321437929,
            -0.013426942167703917,
            0.015457890972817034,
            -0.02210399003397606,
            0.024858267242184706,
            -0.0021941458460048293,
            0.02048715686778402,
            -0.027549229084706264,
            0.02132856933914282,
            -0.007260212295129152,
        ],
        last: &[
            -0.04580932249087325,
            0.11983931172410302,
            -0.06833922452494365,
            0.04747470600124543,
            -0.07254507226934197,
            0.059986403988372336,
            0.015212578281848733,
            -0.07420438078645306,
            0.0049025471219202674,
            -0.011003043718027013,
            0.02048715686778402,
            -0.027549229084706264,
            0.017317905310726196,
            0.012814178311884201,
            0.04611607321437929,
            -0.013426942167703917,
        ],
        input_gradient: &[
            -0.005154403769561899,
            -0.0018816807849939814,
            0.00045679548519426136,
            -0.0007638558697788669,
            -0.009384748224643849,
            0.0005490588143646832,
            0.0063719008179256385,
            -0.007265403972265,
            0.0019051030232796425,
            0.004923236049045068,
            0.0005811102435541613,
            -0.009919783427906788,
        ],
        gradient_sums: &[
            0.03791160271461691,
            -0.0033312116507147466,
            -0.003656189658086048,
            -0.0036561896580860464,
            0.07421612766855915,
            0.00022481721473514957,
            -0.0016019775039983536,
            -0.0016019775039983562,
            -0.11223448352721999,
            -0.0013168710972092782,
            0.39478430320310715,
            0.39478430320310715,
            0.08617342149803345,
            0.0016052578392252003,
            0.2711126442450888,
            0.2711126442450888,
        ],
    });
}

#[test]
fn gated_units_agree_with_pytorch() {
    agrees::<GruStep>(&Expected {
        output: &[
            0.04475277275641857,
            0.16575192025032032,
            0.059818369902603405,
            0.358210976461637,
            0.09457428667040069,
            0.2465135868907361,
            0.040189599536653756,
            0.28402768083198987,
            0.11924935862416078,
            0.29852727210903784,
            0.008324302630160867,
            0.1769880342997636,
            0.11257338586590068,
            0.10301283058897381,
            0.1848448298945665,
            0.28498593135049455,
            0.15779753316681736,
            0.18930918411974837,
            0.12148410540064812,
            0.23659959692930863,
            0.22365578786711152,
            0.20446546609161548,
            0.09291680291459595,
            0.1261593477425837,
        ],
        last: &[
            0.06754909513101434,
            0.3406393933001984,
            0.027946832154067805,
            0.0822445766818616,
            0.10877355697459823,
            0.19037420633440383,
            0.2674504713252025,
            -0.016817487630693073,
            0.11924935862416078,
            0.29852727210903784,
            0.22365578786711152,
            0.20446546609161548,
            0.059818369902603405,
            0.358210976461637,
            0.1848448298945665,
            0.28498593135049455,
        ],
        input_gradient: &[
            -0.010103412443038405,
            -0.02902521813507977,
            0.014503518884758152,
            0.005602382950129784,
            0.00977158054536066,
            0.03083966252601658,
            0.024427994507584504,
            -0.0031271304881011226,
            0.008359004609785918,
            0.02794795904049176,
            -0.01200920316924296,
            -0.039693121080724814,
        ],
        gradient_sums: &[
            -0.018144889117551577,
            -0.008880438025907546,
            -0.05931648487880722,
            -0.040578871069151645,
            0.06892999846053996,
            -0.021518587385032022,
            -0.16589224058669919,
            -0.07234405294923645,
            -0.16703975853633407,
            0.0364860194317343,
            0.5291681927579562,
            0.18456803703307767,
            0.4400964765539498,
            0.00973034845332594,
            0.31514346772232477,
            0.12145215351758629,
        ],
    });
}

#[test]
fn parameters_have_pytorchs_names() {
    let names: Vec<String> = build::<GruStep>(TWO_BY_TWO).parameters().into_iter().map(|(name, _)| name).collect();
    let mut expected = Vec::new();
    for end in ["_l0", "_l0_reverse", "_l1", "_l1_reverse"] {
        expected.extend(["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|name| format!("{name}{end}")));
    }
    assert_eq!(names, expected);
    let bare = build::<GruStep>(RecurrentOptions { bias: false, ..RecurrentOptions::default() });
    assert_eq!(bare.parameter_count(), 2 * 6 * 2);
}

#[test]
fn a_sequence_can_be_run_in_two_halves() {
    let mut rng = Rng::new(3);
    let lstm: Lstm<f64> = build::<LstmStep>(RecurrentOptions { layers: 2, ..RecurrentOptions::default() });
    let x = Tensor::<f64>::randn([3, 7, 2], &mut rng);
    let whole = lstm.run(&Var::constant(x.clone()), None);
    let first = lstm.run(&Var::constant(x.slice_axis(1, 0..3)), None);
    let second = lstm.run(&Var::constant(x.slice_axis(1, 3..7)), Some(&first.last));
    let (a, b) = (whole.output.value().slice_axis(1, 3..7).to_vec(), second.output.value().to_vec());
    close(&b, &a);
    let ends = |states: &[LstmState<f64>]| states.iter().flat_map(|s| s.c.value().to_vec()).collect::<Vec<_>>();
    close(&ends(&second.last), &ends(&whole.last));
}

#[test]
fn dropout_between_layers_works_in_training_and_sampling_alone() {
    let mut rng = Rng::new(4);
    let options = RecurrentOptions { layers: 2, dropout: 0.5, ..RecurrentOptions::default() };
    let mut rnn: Rnn<f64> = build::<RnnStep>(options);
    let x = Tensor::<f64>::randn([4, 5, 2], &mut rng);
    let v = Var::constant(x.clone());
    let plain = rnn.forward(&v).value().to_vec();
    assert_eq!(plain, rnn.run(&v, None).output.value().to_vec());
    let trained = rnn.forward_train(&v, &mut Rng::new(5)).value().to_vec();
    assert_ne!(plain, trained);
    assert_eq!(trained, rnn.forward_sampling(&v, &mut Rng::new(5)).value().to_vec());
    assert!(sample(&rnn, &x, 3, &mut rng).is_ok());
    let mut single: Rnn<f64> = build::<RnnStep>(RecurrentOptions { dropout: 0.5, ..RecurrentOptions::default() });
    assert_eq!(single.forward(&v).value().to_vec(), single.forward_train(&v, &mut rng).value().to_vec());
}

#[test]
fn a_chain_reads_words_and_gives_one_answer_for_each_sequence() {
    let mut rng = Rng::new(6);
    let net = Sequential::<f32>::new()
        .named("words", Embedding::new(9, 4, GlorotUniform, &mut rng).with_padding(0))
        .named("gru", Gru::new(4, 6, GlorotUniform, Orthogonal::default(), &mut rng))
        .with(LastStep)
        .named("answer", Linear::new(6, 2, GlorotUniform, &mut rng));
    let table = summary(&net, [5]).unwrap();
    assert_eq!((table.output.to_vec(), table.rows[1].output.to_vec()), (vec![2], vec![5, 6]));
    let words = Var::constant(Tensor::from_fn([3, 5], |i| (i % 9) as f32));
    assert_eq!(*net.forward(&words).shape(), [3, 2]);
    let gradients = net.forward(&words).sum_all().backward();
    assert!(net.parameters().iter().all(|(_, p)| gradients.get(p).is_some()));
    let error = summary(&Sequential::new().named("gru", build::<GruStep>(TWO_BY_TWO)), [5, 3]).unwrap_err();
    assert!(error.to_string().starts_with("Gru at `gru`"), "{error}");
}

#[test]
fn second_derivatives_go_through_time() {
    let mut rng = Rng::new(7);
    let lstm = build::<LstmStep>(RecurrentOptions::default());
    let x = Var::constant(Tensor::<f64>::randn([2, 3, 2], &mut rng));
    let loss = |p: &Vec<Var<f64>>| lstm.clone().with_parameters(p, |layer| layer.forward(&x)).square().sum_all();
    let point: Vec<Var<f64>> = lstm.parameters().into_iter().map(|(_, p)| Var::constant(p.value().clone())).collect();
    let v: Vec<Var<f64>> = point.iter().map(|p| Var::constant(Tensor::randn(*p.shape(), &mut rng))).collect();
    let product = hvp(loss, &point, &v);
    let gradient = |t: f64| {
        let moved: Vec<Var<f64>> =
            point.iter().zip(&v).map(|(p, v)| Var::constant(p.value().add(&v.value().mul_scalar(t)))).collect();
        grad(loss, &moved)
    };
    let h = 1e-3;
    let samples = [gradient(-2.0 * h), gradient(-h), gradient(h), gradient(2.0 * h)];
    for (i, product) in product.iter().enumerate() {
        for (j, &exact) in product.value().to_vec().iter().enumerate() {
            let at = |k: usize| samples[k][i].value().to_vec()[j];
            let numeric = (at(0) - 8.0 * at(1) + 8.0 * at(2) - at(3)) / (12.0 * h);
            assert!((exact - numeric).abs() < 1e-7, "parameter {i}, element {j}: {exact} instead of {numeric}");
        }
    }
}

#[test]
#[should_panic(expected = "Lstm: an input of shape [2, 0, 2] is not [n, steps, 2] with at least one step")]
fn a_sequence_of_no_steps_is_refused() {
    let _ = build::<LstmStep>(TWO_BY_TWO).forward(&Var::constant(Tensor::zeros([2, 0, 2])));
}
