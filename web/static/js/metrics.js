// How the values of metrics are written: shares in percent, others with as many digits as they need.

const digits = (count) => new Intl.NumberFormat("en", { maximumSignificantDigits: count });

/** For `y` of a chart: of accuracies, which lie between 0 and 1, or of others. */
export function axisOf(isShare) {
  return isShare
    ? {
        text: (value) => `${(100 * value).toFixed(1)} %`,
        tick: (value, distance) => `${(100 * value).toFixed(distance < 0.01 ? 1 : 0)} %`,
        most: 1,
      }
    : { text: (value) => digits(4).format(value), tick: (value) => digits(3).format(value) };
}

/** For `x`: epochs or steps, of which there are no halves. */
export function stepsTo(title, last) {
  return { title, last, whole: true, text: (value) => value.toLocaleString("en") };
}
