import { createApp, nextTick } from 'vue'
import { afterEach, describe, expect, it } from 'vitest'
import RemoveButton from '../src/components/RemoveButton.vue'
import { i18n, setLocale } from '../src/i18n'

/** The button on a page, with what it was asked to take away; `gone` ends the taking away. */
function shown() {
  let asked = 0
  let gone = (): void => undefined
  const remove = (): Promise<void> => {
    asked += 1
    return new Promise((resolve) => (gone = resolve))
  }
  const place = document.body.appendChild(document.createElement('div'))
  createApp(RemoveButton, { label: 'Remove it', remove })
    .use(i18n)
    .component('el-icon', { template: '<i></i>' })
    .mount(place)
  const button = place.querySelector('button')!
  const click = (): Promise<void> => {
    button.click()
    return nextTick()
  }
  return { button, click, asked: () => asked, gone: () => gone() }
}

afterEach(() => document.body.replaceChildren())

describe('a button that takes something away', () => {
  it('asks first, and then does it once however often it is clicked', async () => {
    setLocale('en')
    const { button, click, asked, gone } = shown()
    await click()
    expect([asked(), button.getAttribute('aria-label')]).toEqual([0, 'Really?'])
    await click()
    expect([asked(), button.disabled]).toEqual([1, true])
    await click()
    await click()
    expect(asked()).toBe(1)
    gone()
    await new Promise((resolve) => setTimeout(resolve))
    expect([button.disabled, button.getAttribute('aria-label')]).toEqual([false, 'Remove it'])
  })

  it('has no question left when the person turns to something else', async () => {
    const { button, click, asked } = shown()
    await click()
    // a browser may leave the focus where it was when a button is clicked
    expect(document.activeElement).toBe(button)
    button.blur()
    await click()
    expect(asked()).toBe(0)
  })
})
