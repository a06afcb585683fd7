//! Value decomposition: the team's value is the sum of the agents' (Sunehag et al. 2018,
//! equation 3; EPyMARL's `modules/mixers/vdn.py`).

use tch::{Kind, Tensor};

/// `Q_tot = sum over i of Q_i`. `[transitions, agents]` to `[transitions, 1]`.
pub(crate) fn sum(chosen: &Tensor) -> Tensor {
    chosen.sum_dim_intlist([-1i64].as_slice(), true, Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_teams_value_is_the_sum_and_each_agent_gets_its_gradient() {
        let chosen = Tensor::from_slice(&[1.0f32, 2.0, -4.0, 0.5, 0.25, 0.0]).view([2, 3]);
        let chosen = chosen.set_requires_grad(true);
        let mixed = sum(&chosen);
        assert_eq!(mixed.size(), [2, 1]);
        assert_eq!(nn::parameters::flat_values(&mixed.view(-1)), [-1.0, 0.75]);
        let loss = (mixed * Tensor::from_slice(&[3.0f32, 5.0]).view([2, 1])).sum(Kind::Float);
        let gradient = Tensor::run_backward(&[loss], &[chosen], false, false);
        let gradient = nn::parameters::flat_values(&gradient[0].reshape([-1]));
        assert_eq!(gradient, [3.0, 3.0, 3.0, 5.0, 5.0, 5.0]);
    }
}
