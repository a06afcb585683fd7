//! Proximal policy optimisation (Schulman et al. 2017) for teams: IPPO and MAPPO.

pub mod losses;
