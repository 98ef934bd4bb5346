// SPDX-License-Identifier: GPL-3.0-or-later

/// A short float training, as a recipe's file writes it.
public let baseRecipe = """
    network: resnet8
    method: float
    weight_bits: 32
    activation_bits: 32
    quantized_layers: all
    blending: 1.0e-2
    input_derivative: clipped-relu
    resolution_derivative: three-valued
    batch_size: 32
    epochs: 4
    rate: 0.05
    rate_divisor: 10
    milestones: [3]
    resolution_rate_factor: 0.01
    resolution_minimum: 1.0e-3
    momentum: 0.9
    weight_decay: 1.0e-4
    crop_padding: 1
    flip: true
    """

/// What makes it 1W4A by BCGD.
public let quantizedChanges = ["method": "bcgd", "weight_bits": "1", "activation_bits": "4"]
