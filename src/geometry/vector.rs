//! Vectors and rotations of the laboratory.

/// A vector `(x, y, z)` of the laboratory: z along the beam, y up, right-handed.
pub type Vector = [f64; 3];

pub(super) const IDENTITY: [Vector; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Right-handed rotation about a unit vector, radians (Rodrigues).
pub(crate) fn about(axis: Vector, angle: f64) -> [Vector; 3] {
    let (sin, cos) = angle.sin_cos();
    let [x, y, z] = axis;
    let crossed = [[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]];
    std::array::from_fn(|i| {
        std::array::from_fn(|j| cos * IDENTITY[i][j] + sin * crossed[i][j] + (1.0 - cos) * axis[i] * axis[j])
    })
}

/// A matrix times a vector.
pub(crate) fn turned(matrix: &[Vector; 3], vector: Vector) -> Vector {
    matrix.map(|row| dot(row, vector))
}

/// Product of two matrices.
pub(crate) fn product(a: [Vector; 3], b: [Vector; 3]) -> [Vector; 3] {
    let b = transposed(b);
    a.map(|row| b.map(|column| dot(row, column)))
}

/// The matrix with rows and columns exchanged: the inverse of a rotation.
pub(crate) fn transposed(a: [Vector; 3]) -> [Vector; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// Scalar product.
pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Length of a vector.
pub(crate) fn norm(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

/// Vector product.
pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Inverse of a matrix of three rows, not singular.
pub(crate) fn inverse(a: [Vector; 3]) -> [Vector; 3] {
    let columns = [cross(a[1], a[2]), cross(a[2], a[0]), cross(a[0], a[1])];
    let determinant = dot(a[0], columns[0]);
    std::array::from_fn(|i| std::array::from_fn(|j| columns[j][i] / determinant))
}
