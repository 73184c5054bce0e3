"""The tutorial's script: Keras' ImageDataGenerator and `model.fit`, three convolutions and 512 units.

`python benchmarks/training/peers/tutorial.py FOLDER` trains one epoch on FOLDER/train for each line that
it reads, and writes the seconds that the epoch took.
"""

import sys
import time

import tensorflow as tf
from tensorflow.keras import layers, models
from tensorflow.keras.preprocessing.image import ImageDataGenerator

SIZE = 150
BATCH_SIZE = 32


def network() -> models.Sequential:
    model = models.Sequential([layers.Input((SIZE, SIZE, 3))])
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, (3, 3), activation="relu"))
        model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main(folder: str) -> None:
    changed = ImageDataGenerator(rescale=1 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True)
    pictures = changed.flow_from_directory(
        f"{folder}/train", target_size=(SIZE, SIZE), batch_size=BATCH_SIZE, class_mode="binary"
    )
    model = network()
    for _ in sys.stdin:
        began = time.perf_counter()
        model.fit(pictures, steps_per_epoch=len(pictures), epochs=1, verbose=0)
        print(f"seconds {time.perf_counter() - began}", flush=True)


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    main(sys.argv[1])
